"""The demo's cohort, and what everything on it is measured against: real patches, public phantoms, the vote.

Pairs of any origin become a score in the same way, by `DemoCohort.score`, so that a benchmark can put rows of
its own beside these.
"""

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from functools import cached_property, partial
from math import inf

import numpy as np
from numpy.typing import NDArray
from scored_rows import FREE, UNITS, Cells, Line, Row, Score
from votes import GRID, ON_CPU, PAIRS, SEED, SIZE, STRIDE, as_scan, judge, learn, patient, pool

from privessel.cohort.patches import cut, rescale
from privessel.cohort.regions import largest_overlap
from privessel.cohort.sampling import sample_centres
from privessel.cohort.scan import Scan
from privessel.phantom import Phantom
from privessel.privacy.accounting import Charge
from privessel.privacy.promises import Sizes, state_promises
from privessel.privacy.terms import PrivateTerms
from privessel.seeds import derive
from privessel.unet.net import TrainedUNet
from privessel.vote.ballots import fill_in
from privessel.vote.candidates import Design
from privessel.vote.mechanism import expect
from privessel.vote.ranks import Count, add_ranks, rank
from privessel.vote.run import exact_epsilon

PATIENTS, VALIDATION, TESTS = 10, 2, 3  # of phantom-a, as in the demo, in this order
PHANTOMS = 4  # of each public cohort and of each candidate, as in the demo
PARAMETERS = {"phantom-a": "a", "phantom-random": "random", "phantom-wide": "wide"}
VOTES = ("0.5", "1", "4")  # eps of a patient; to a patch that changes it is twice that
BALLOT = 400  # patches of a patient
REAL = "real patches"

Labelled = tuple[NDArray[np.number], NDArray[np.bool_]]  # images and labels, (n, s, s) each


@dataclass
class DemoCohort:
    """The demo's simulated patients, made when they are first asked for, and the U-Net that judges pairs."""

    steps: int  # of the U-Net
    _phantoms: dict[tuple[str, int], Phantom] = field(default_factory=dict)
    _candidates: dict[int, Labelled] = field(default_factory=dict)

    @property
    def design(self) -> str:
        """What decides every score beside its pairs."""
        return f"U-Net of {self.steps} steps"

    def phantoms(self, cohort: str, numbers: Sequence[int]) -> list[Phantom]:
        """Return patients of a cohort by their numbers, which begin with 1."""
        for number in numbers:
            if (cohort, number) not in self._phantoms:
                self._phantoms[cohort, number] = patient(cohort, number, PARAMETERS[cohort])
        return [self._phantoms[cohort, number] for number in numbers]

    @cached_property
    def voters(self) -> list[Scan]:
        """The scans of the training patients."""
        return [as_scan(one) for one in self.phantoms("phantom-a", range(1, PATIENTS + 1))]

    @cached_property
    def judges(self) -> list[Scan]:
        """The scans of the test patients."""
        first = PATIENTS + VALIDATION + 1
        return [as_scan(one) for one in self.phantoms("phantom-a", range(first, first + TESTS))]

    def train(self, pairs: Labelled, seed: int) -> TrainedUNet:
        """Return the U-Net of every row, trained on pairs."""
        return learn(pairs, steps=self.steps, augment=False, seed=seed)

    def score(self, pairs: Labelled, seed: int) -> Score:
        """Return the mean DSC of whole test volumes, by a U-Net that is trained on pairs."""
        return Score(judge(self.train(pairs, seed), self.judges))

    def score_cohort(self, cohort: str, count: int, seed: int) -> Score:
        """Return the score of patches of a cohort's first patients."""
        return self.score(pool(self.phantoms(cohort, range(1, count + 1))), seed)

    def score_candidate(self, number: int, seed: int) -> Score:
        """Return the score of a candidate of the vote, with its counts on each training patient."""
        if number not in self._candidates:
            design = Design(("random", "wide"), PHANTOMS, **GRID, pairs=PAIRS, size=SIZE)
            self._candidates[number] = design.make(number, seed=SEED)
        net = self.train(self._candidates[number], seed)
        given = {"n": BALLOT, "stride": STRIDE, "prediction": ON_CPU}
        ballots = [fill_in(str(k), scan, [net], seed=k, **given) for k, scan in enumerate(self.voters)]
        return Score(judge(net, self.judges), [astuple(ballot.counts[0]) for ballot in ballots])

    def patches(self, cohort: str, count: int, *, each: int) -> "Patches":
        """Return `each` patches of a cohort's first patients, as the demo's training has them."""
        images, labels, region = [], [], 1
        for number, phantom in enumerate(self.phantoms(cohort, range(1, count + 1)), 1):
            scan, name = as_scan(phantom), f"{cohort.removeprefix('phantom-')}{number:03d}"
            rng = np.random.default_rng(derive(SEED, "patches", cohort, name))
            centres = sample_centres(scan.vessels, scan.brain, n=each, rng=rng)
            images.append(rescale(cut(scan.image, centres, SIZE), -1, 1))
            labels.append(cut(scan.vessels, centres, SIZE))
            region = max(region, largest_overlap(centres, labels[-1]))
        return Patches(
            *map(np.concatenate, (images, labels)), owners=np.repeat(np.arange(count), each), region=region
        )


@dataclass(frozen=True)
class Patches:
    """Training patches: images (n, s, s) float32 in [-1, 1], labels (n, s, s) bool, the patient of each."""

    images: NDArray[np.float32]
    labels: NDArray[np.bool_]
    owners: NDArray[np.integer]  # counted from 0
    region: int  # patches of a patient that show one same place on a vessel, at most


def state_epsilon(training: PrivateTerms, *, steps: int, each: int) -> dict[str, float]:
    """Return the valid eps of a patient, a region and a patch after so many noisy steps.

    each: patches of a patient.
    """
    promises = state_promises(
        [Charge(training.noise_multiplier, training.sampling_rate, steps)],
        unit=training.unit,
        sizes=Sizes(PATIENTS, each, training.region_patches),
        delta=training.delta,
        patient_delta=training.patient_delta,
    )
    return {unit: promise["epsilon"] for unit, promise in promises.items()}


def reference_rows(cohort: DemoCohort, *, seeds: Sequence[int]) -> list[Row]:
    """Return the rows of real patches and of public phantoms."""
    counts = {"phantom-a": PATIENTS, "phantom-random": PHANTOMS, "phantom-wide": PHANTOMS}
    names = {"phantom-a": REAL}
    return [
        Row(names.get(name, name), partial(cohort.score_cohort, name, count), seeds, cohort.design)
        for name, count in counts.items()
    ]


def candidate_rows(cohort: DemoCohort, *, candidates: int, seeds: Sequence[int]) -> list[Row]:
    """Return one row for each candidate of the vote; they have no line in the table."""
    design = f"{cohort.design}, ballots of {BALLOT} patches of segmentations"
    return [
        Row(f"candidate {number}", partial(cohort.score_candidate, number), seeds, design)
        for number in range(1, candidates + 1)
    ]


def reference_lines(rows: Sequence[Row], cells: Cells) -> list[Line]:
    """Return the lines of `reference_rows`."""
    costs = {REAL: dict.fromkeys(UNITS, inf)}
    return [Line(row.name, costs.get(row.name, FREE), [one.dsc for one in cells.scores(row)]) for row in rows]


def vote_lines(rows: Sequence[Row], cells: Cells) -> list[Line]:
    """Return the lines of votes among candidates: for each seed the exact mean DSC over all draws."""
    lines, seeds = [], rows[0].seeds
    for level in VOTES:
        means, lows = [], []
        for seed in seeds:
            scores = [cells.score(row, seed) for row in rows]
            if None in scores:
                continue
            dsc, by_patient = [one.dsc for one in scores], zip(*(one.more for one in scores), strict=True)
            utilities = add_ranks([rank([Count(*count) for count in counts]) for counts in by_patient])
            mean, low = expect(dsc, utilities, epsilon=exact_epsilon(f"eps-{level}"))
            means.append(mean)
            lows.append(low)
        cost = {"patient": float(level), "region": 2 * float(level), "patch": 2 * float(level)}
        told = f"5 % of draws: at most {', '.join(f'{low:.3f}' for low in lows)}"
        lines.append(Line(f"vote among {len(rows)} public sets", cost, means, told))
    return lines
