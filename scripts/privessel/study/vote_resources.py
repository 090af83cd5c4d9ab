"""How much memory and time the jobs of a vote ask for; see `resources`."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from privessel.study.resources import THREAD_TERA, Resources, memory


@dataclass(frozen=True)
class VoteResources:
    """Memory (MB) and time (minutes) of the votes' candidates and ballots."""

    common: Resources

    def candidate_memory(self) -> Callable[..., int]:
        """Two phantoms at a time, all pairs of a candidate, and a small U-Net in training."""
        vote, pixels = self.common.config.vote, self.common.pixels
        phantom_mb = 45 * math.prod(vote.shape) / 1e6
        batch_mb = 4 * 30 * pixels * vote.unet.filters[0] * vote.unet.batch / 1e6
        return memory(1000 + phantom_mb + 12 * vote.pairs * pixels / 1e6 + batch_mb)

    def candidate_minutes(self) -> int:
        """All steps on CPU threads: small nets gain little from a GPU."""
        vote = self.common.config.vote
        unet = vote.unet
        steps = unet.epochs * unet.factor_train_samples * vote.pairs / unet.batch
        return int(30 + steps * (self._seconds(3 * unet.batch) + 0.05) / 60)

    def ballot_memory(self) -> Callable[..., int]:
        """One scan, its patches, and a batch of them in the forward pass of one candidate."""
        config, pixels = self.common.config, self.common.pixels
        passed = 40 * config.vote.unet.filters[0] * min(config.prediction.batch, config.vote.patches)
        patches_mb = pixels * (20 * config.vote.patches + passed) / 1e6
        return memory(700 + 50 * self.common.voxels(config.train_cohort) / 1e6 + patches_mb)

    def ballot_minutes(self) -> int:
        """The patches of a patient through every candidate on CPU threads."""
        vote = self.common.config.vote
        return int(15 + self._seconds(vote.candidates * vote.patches) / 60)

    def _seconds(self, passes: float) -> float:
        """Seconds of so many patches' forward passes on the threads of a U-Net."""
        config = self.common.config
        return (
            passes * self.common.forward_tera(config.vote.unet.filters) / (THREAD_TERA * config.unet.threads)
        )
