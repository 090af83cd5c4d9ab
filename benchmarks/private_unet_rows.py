"""Rows of private U-Nets: the one of a public cohort goes on with noise, and is judged like the rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import demo_rows as demo
from private_unets import BATCH, EACH, STEPS, go_on, plan
from scored_rows import Row, Score
from votes import judge, pool

from privessel.private_unet.step import LabelledPatches

START = "phantom-wide"  # the same public cohort that GANs are pre-trained on
DELTA, PATIENT_DELTA = 2.4e-6, 1e-5  # as the demo's
# Unit of privacy, eps of it: of a patch as the GANs of the table, of a patient as the vote.
LEVELS = (("patch", 1.0), ("patch", 8.0), ("patient", 1.0))


@dataclass
class PrivateUNets:
    """The private U-Nets of the table."""

    cohort: demo.DemoCohort

    @cached_property
    def patches(self) -> demo.Patches:
        """The training patients' patches, the same as those of the GANs."""
        return self.cohort.patches("phantom-a", demo.PATIENTS, each=EACH)

    def score(self, unit: str, epsilon: float, seed: int) -> Score:
        """Return the score of a private U-Net, with its eps and what it was trained with."""
        start = self.cohort.train(pool(self.cohort.phantoms(START, range(1, demo.PHANTOMS + 1))), seed)
        found = self.patches
        delta, batch = (PATIENT_DELTA, demo.PATIENTS) if unit == "patient" else (DELTA, BATCH)
        training = plan(unit, epsilon, delta, batch, steps=STEPS, region=found.region)
        data = LabelledPatches(found.images, found.labels, found.owners, start=start, device="cpu")
        unet = go_on(start, data, training, seed=seed)
        told = f"noise {training.noise_multiplier:.3g}, batch {training.batch}, {training.steps} steps"
        spent = demo.state_epsilon(training, steps=training.steps, each=EACH)
        return Score(judge(unet, self.cohort.judges), {"epsilon": spent, "remark": told})

    def rows(self, *, seeds: Sequence[int]) -> list[Row]:
        """Return one row for each level."""
        design = f"{self.cohort.design}, {STEPS} private ones"
        return [
            Row(f"private U-Net, eps {level:g} of a {unit}", partial(self.score, unit, level), seeds, design)
            for unit, level in LEVELS
        ]
