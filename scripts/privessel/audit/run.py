"""A run of the audit: a run of the study once more, with canaries among its patches, by a coin for each."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from torch import Tensor

from privessel.audit.canaries import Labelled, draw_canaries, insert
from privessel.audit.plan import Plan, toss_coins
from privessel.cohort.patches import Patches, digest
from privessel.errors import PrivacyError
from privessel.gan.run import GanRun
from privessel.gan.step import Pairs
from privessel.gan.training import GanTraining
from privessel.privacy.account import Account
from privessel.privacy.keys import Stream, identity_digest, public_key
from privessel.privacy.site import Site
from privessel.seeds import derive

GRADIENT = "gradient"  # watched in training, where noisy gradients are released
SCORES = ("critic", "nearest")  # of any finished run


@dataclass(frozen=True)
class AuditRun(GanRun):
    """What names a run of the audit, and its plan. On patients it costs what the audited run costs, again."""

    canaries: int
    guesses_in: int
    guesses_out: int
    confidence: float
    every: int  # critic step whose gradient is scored
    seed: int  # public: of the canaries, and of the coins where the run's noise is public too
    reference: Labelled = field(compare=False, repr=False)  # public patches, which canaries are made of
    series: ClassVar[str] = "audit"

    @classmethod
    def recorded(cls, record: Mapping, *, reference: Labelled) -> "AuditRun":
        """Return the run that a privacy.json tells of.

        Raises PrivacyError where its canaries can no longer be drawn.
        """
        named = (record["arch"], record["level"], record["run"], record["cohort"])
        keys = ("canaries", "guesses_in", "guesses_out", "confidence", "every", "seed")
        run = cls(*named, **{key: record["audit"][key] for key in keys}, reference=reference)
        if digest(*run.canary_patches) != record["audit"]["digest"]:
            raise PrivacyError(
                f"{run.name}: its canaries were drawn by another version of the code or from other public "
                "patches, so nobody can score them now. Remedy: take those again, or another audit.run, "
                "which patients pay for"
            )
        return run

    def plan(self, *, private: bool, delta: float) -> Plan:
        """Return what is fixed before the first step."""
        return Plan(
            canaries=self.canaries,
            guesses_in=self.guesses_in,
            guesses_out=self.guesses_out,
            scores=(GRADIENT, *SCORES) if private else SCORES,
            delta=delta,
            confidence=self.confidence,
        )

    @cached_property
    def canary_patches(self) -> Labelled:
        """The canaries' images in [-1, 1] and labels, (m, s, s) each: public images with others' labels.

        In the demo's critic two of them have gradients almost at right angles; those of noise, or of black
        but for a pixel, are nearly parallel (cosines 0.04, 0.96 and 1.0), and hide one another.
        """
        rng = np.random.default_rng(derive(self.seed, "canaries", self.name))
        size = self.reference[0].shape[-1]
        return draw_canaries(
            "mislabelled", canaries=self.canaries, size=size, rng=rng, reference=self.reference
        )

    def identity(self, *, training: GanTraining, **parts: object) -> dict[str, object]:
        """Return what decides the run's weights: the patches before canaries are in, and the plan."""
        return super().identity(training=training, **parts) | {"audit": self._planned(training)}

    def coins(self, *, private: bool, site: Site | None, identity: str | None) -> Stream:
        """Return the draws that toss the coins, from where the run's noise comes from.

        That is the site's secret for private levels on patients, else the published seed; `identity` is the
        digest of a run on patients.
        """
        if site is None or not private:
            return Stream(public_key(seed=self.seed, name=f"coins of {self.name}, every {self.every}"))
        return site.coins(identity)

    def insert(
        self, patches: Patches, *, training: GanTraining, site: Site | None, identity: Mapping[str, object]
    ) -> Patches:
        """Return what is trained on: `patches`, then the canaries that are in, each a patient of its own.

        The sampling rate stays that of `patches`: one that followed the number of canaries in would tell of
        their coins what no accountant counts.
        """
        stream = self.coins(private=training.private, site=site, identity=identity_digest(identity))
        plan = self.plan(private=training.private, delta=training.unit_delta)
        inserted = toss_coins(plan, stream)
        copies = training.patient_patches if training.by_patient else 1
        images, labels, whose = insert(
            patches.image, patches.label, patches.patient_index,
            canaries=self.canary_patches, inserted=inserted, copies=copies,
        )  # fmt: skip
        added = len(images) - len(patches.image)
        return replace(
            patches,
            image=images,
            label=labels,
            patient_index=whose,
            centre=np.pad(patches.centre, ((0, added), (0, 0))),  # cut from nowhere
            patients=(*patches.patients, *(f"canary {number}" for number in np.flatnonzero(inserted))),
            seeds=(*patches.seeds, *[0] * int(inserted.sum())),
        )

    def probes(self, *, background: float, device: str) -> Tensor:
        """Return all canaries as a critic meets them, (m, 2, s, s)."""
        whose = np.arange(self.canaries)
        on = {"device": device, "background": background}
        return Pairs(*self.canary_patches, patients=whose, **on).take(whose)

    def record(self, training: GanTraining, patches: Patches, account: Account | None) -> dict:
        """Return what privacy.json says of the finished run, canaries and all; `audit` is its plan."""
        return super().record(training, patches, account) | {"audit": self._planned(training)}

    def _planned(self, training: GanTraining) -> dict[str, object]:
        plan = self.plan(private=training.private, delta=training.unit_delta)
        own = {"every": self.every, "seed": self.seed, "digest": digest(*self.canary_patches)}
        return asdict(plan) | own
