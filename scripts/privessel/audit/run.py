"""A run of the audit: a run of the study, repeated with canaries among its patches.

A fair coin for each canary decides whether it is trained on.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import ClassVar

import numpy as np
from torch import Tensor

from privessel.audit.canaries import GradientWatch, Labelled, draw_canaries, insert
from privessel.audit.plan import Plan, toss_coins
from privessel.cohort.patches import Patches, digest
from privessel.errors import PrivacyError
from privessel.gan.pairs import Pairs
from privessel.gan.run import GanRun
from privessel.gan.training import GanTraining
from privessel.privacy.account import Account
from privessel.privacy.identity import identity_digest
from privessel.privacy.keys import Stream, public_key
from privessel.privacy.site import Site
from privessel.seeds import derive

GRADIENT = "gradient"  # the score that is watched in private training, whose noisy gradients are released
SCORES = ("critic", "nearest")  # the scores that can be computed of any finished run


@dataclass(frozen=True)
class AuditRun(GanRun):
    """A run of the audit: its name and its plan. On patients it costs the audited run's eps once more."""

    canaries: int
    guesses_in: int
    guesses_out: int
    confidence: float
    score_every: int  # the gradient of one critic step in so many is scored
    seed: int  # published; draws the canaries, and tosses the coins of a run whose noise is public too
    reference: Labelled = field(compare=False, repr=False)  # public patches, of which the canaries are made
    series: ClassVar[str] = "audit"

    @classmethod
    def from_record(cls, record: Mapping, *, reference: Labelled) -> "AuditRun":
        """Return the run that a privacy.json describes; `reference` are the public patches of its canaries.

        Raises PrivacyError where the same canaries can no longer be drawn.
        """
        name = (record["arch"], record["level"], record["run"], record["cohort"])
        plan = dict(record["audit"])
        if "every" in plan:  # the name of score_every in records that older versions wrote
            plan["score_every"] = plan.pop("every")
        keys = ("canaries", "guesses_in", "guesses_out", "confidence", "score_every", "seed")
        run = cls(*name, **{key: plan[key] for key in keys}, reference=reference)
        if digest(*run.canary_patches) != record["audit"]["digest"]:
            raise PrivacyError(
                f"{run.name}: its canaries were drawn by another version of the code or from other public "
                "patches, so nobody can score them now. Remedy: restore that version and those patches, or "
                "train the audit again under another audit.run, which is charged to the patients in addition"
            )
        return run

    def plan(self, *, private: bool, delta: float) -> Plan:
        """Return the plan of the audit, which is fixed before the first training step."""
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
        """The canaries: public images in [-1, 1], each with the label of another image, (m, s, s) each.

        In the demo's critic the gradients of two such canaries are almost at right angles (cosine 0.04).
        Those of canaries made of noise, or black except for one pixel, are nearly parallel (0.96 and 1.0),
        so that they hide one another.
        """
        rng = np.random.default_rng(derive(self.seed, "canaries", self.name))
        size = self.reference[0].shape[-1]
        return draw_canaries(
            "mislabelled", canaries=self.canaries, size=size, rng=rng, reference=self.reference
        )

    def identity(self, *, training: GanTraining, **parts: object) -> dict[str, object]:
        """Return what decides the run's weights, as for a run of the study, and the plan of the audit."""
        return super().identity(training=training, **parts) | {"audit": self._planned(training)}

    def prepare(
        self, patches: Patches, *, training: GanTraining, site: Site | None, **parts: object
    ) -> tuple[Patches, dict[str, object]]:
        """Return `patches` with the inserted canaries, and the identity of a run that is trained on these.

        The coins must follow from the identity, and the identity from what the coins have inserted. So there
        are two digests: `coins_identity`, of everything but the canaries that got in, decides the coins; the
        whole identity adds `trained_on`, the digest of the arrays that training gets, and decides the noise.
        """
        _, identity = super().prepare(patches, training=training, site=site, **parts)
        audited = self.training_patches(patches, training=training, site=site, identity=identity)
        return audited, identity | {"trained_on": digest(audited.image, audited.label, audited.patient_index)}

    def coins(self, *, private: bool, site: Site | None, identity: str | None) -> Stream:
        """Return the random stream that tosses the coins; it has the same origin as the run's noise.

        For a private level on patients that is the site's secret, else the published seed. `identity` is the
        digest that `coins_identity` returns, needed on patients only.
        """
        if site is None or not private:
            return Stream(public_key(seed=self.seed, name=f"coins of {self.name}, every {self.score_every}"))
        return site.coins(identity)

    def training_patches(
        self, patches: Patches, *, training: GanTraining, site: Site | None, identity: Mapping[str, object]
    ) -> Patches:
        """Return what is trained on: `patches`, then the inserted canaries, each as a patient of its own.

        `identity` is the run's, with or without what it is trained on.
        The sampling rate remains that of `patches`. If it followed the number of inserted canaries, it would
        reveal something about their coins that no accountant counts.
        """
        stream = self.coins(private=training.private, site=site, identity=coins_identity(identity))
        plan = self.plan(private=training.private, delta=training.unit_delta)
        inserted = toss_coins(plan, stream)
        copies = training.patches_per_unit
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
            centre=np.pad(patches.centre, ((0, added), (0, 0))),  # canaries come from no place in a scan
            patients=(*patches.patients, *(f"canary {number}" for number in np.flatnonzero(inserted))),
            seeds=(*patches.seeds, *[0] * int(inserted.sum())),
        )

    def probes(self, *, background: float, device: str) -> Tensor:
        """Return all canaries as a critic sees them, (m, 2, s, s)."""
        whose = np.arange(self.canaries)
        target = {"device": device, "background": background}
        return Pairs(*self.canary_patches, patients=whose, **target).take(whose)

    def watch(self, training: GanTraining, *, genuine: int, device: str) -> GradientWatch:
        """Return the watcher that scores the canaries; the first `genuine` patches trained on are real."""
        probes = self.probes(background=training.label_background, device=device)
        return GradientWatch(probes, genuine=genuine, score_every=self.score_every)

    def record(
        self,
        training: GanTraining,
        patches: Patches,
        account: Account | None,
        *,
        identity: Mapping[str, object],
    ) -> dict[str, object]:
        """Return what privacy.json says about the finished run; `patches` are those without canaries.

        Its `audit` holds the plan, and the digest that the coins follow from.
        """
        record = super().record(training, patches, account, identity=identity)
        return record | {"audit": self._planned(training) | {"coins": coins_identity(identity)}}

    def _planned(self, training: GanTraining) -> dict[str, object]:
        plan = self.plan(private=training.private, delta=training.unit_delta)
        canaries = {
            "score_every": self.score_every, "seed": self.seed, "digest": digest(*self.canary_patches),
        }  # fmt: skip
        return asdict(plan) | canaries


def coins_identity(identity: Mapping[str, object]) -> str:
    """Return the digest that an audit's coins follow from: of its identity without what the coins decide."""
    return identity_digest({part: value for part, value in identity.items() if part != "trained_on"})
