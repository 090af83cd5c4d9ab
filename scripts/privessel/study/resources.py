"""How much memory and time a job asks for, from the config's sizes; docs/cluster.md has what was measured.

Memory doubles with a second attempt, triples with a third. Time does not grow: a training goes on from its
checkpoint.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from privessel.study.cohorts import Cohorts
from privessel.study.config import StudyConfig
from privessel.study.sources import SourcePlan

AROUND_MB = 600  # beside its script: two processes of Snakemake and the shells between (280 measured)
GPU_TERA = 2  # operations a second (1e12) that an old GPU sustains in float32
THREAD_TERA = 0.02  # the same of one thread of a CPU
# Of scans, which are not opened before their check: a matrix of 0.4 mm. A phantom's is in the config.
SCAN_VOXELS = 40e6

Needed = float | Callable[[Mapping[str, str]], float]  # MB, or a function of a job's wildcards


def memory(needed: Needed) -> Callable[..., int]:
    """Return a rule's mem_mb: what its script needs, and what a cluster's job needs around it."""

    def asked(wildcards: Mapping[str, str], attempt: int) -> int:
        return attempt * int(AROUND_MB + (needed(wildcards) if callable(needed) else needed))

    return asked


@dataclass(frozen=True)
class Resources:
    """Memory (MB) and time (minutes) of a study's jobs; `audit_resources` and `vote_resources` add theirs."""

    config: StudyConfig
    cohorts: Cohorts
    sources: SourcePlan

    @property
    def pixels(self) -> int:
        """Pixels of a patch."""
        return self.config.patches.size**2

    # --- Volumes ---

    def voxels(self, cohort: str) -> float:
        """Voxels of a cohort's largest scan."""
        phantom = self.config.cohorts[cohort].phantom
        return math.prod(phantom.shape) if phantom else SCAN_VOXELS

    def volume_memory(self, bytes_per_voxel: float, cohort: str | None = None) -> Callable[..., int]:
        """What a step on a whole scan of `cohort`, or of the wildcard's, takes, and its libraries."""
        return memory(lambda wildcards: 350 + bytes_per_voxel * self.voxels(cohort or wildcards.cohort) / 1e6)

    def evaluation_memory(self, cohort: str) -> Callable[..., int]:
        """A volume with its distances, the network, and one batch of patches in its forward pass."""
        batch_mb = 4 * 10 * self.pixels * self.config.unet.filters[0] * self.config.prediction.batch / 1e6
        return memory(700 + 50 * self.voxels(cohort) / 1e6 + self._unet_weights_mb() + batch_mb)

    def evaluation_minutes(self, cohort: str, split: str) -> int:
        """Every patient's patches through the network on CPU threads, and two minutes for the distances."""
        overlap = (self.config.patches.size / self.config.prediction.stride) ** 2
        unet = self.config.unet
        patches_tera = self.forward_tera(unet.filters) * self.voxels(cohort) / self.pixels * overlap
        seconds = patches_tera / (THREAD_TERA * unet.threads)
        return int(30 + self.cohorts.count(cohort, split) * (2 + seconds / 60))

    # --- GANs ---

    def training_patches_mb(self, more: int = 0) -> float:
        """MB of the training patches, and of so many `more`, in memory."""
        patients = self.cohorts.count(self.config.train_cohort, "train")
        return 5 * self.pixels * (self.config.patches.per_patient * patients + more) / 1e6

    def gan_megabytes(self, wildcards: Mapping[str, str]) -> float:
        """Patches once, weights six times, activations of one micro-batch.

        Six: weights, gradients, optimiser, average, checkpoint. Coarsest stages hold nearly all weights: with
        c filters there 42 c^2 of the generator and 11 c^2 of the critic. 25 numbers a pixel and filter are
        twice what the demo's private level takes.
        """
        keys, size = self.config.gan_keys(wildcards.level, wildcards.arch), self.config.patches.size
        coarsest = size // 6 if size % 3 == 0 else size // 8  # x width: halved down to 3 or 4 pixels
        generator, critic = (coarsest * keys[f"{net}_width"] for net in ("generator", "critic"))
        nets_mb = 4 * 6 * (42 * generator**2 + 11 * critic**2) / 1e6
        samples = min(keys["micro_batch"], keys["batch"] + keys["generator_batch"])
        widths = keys["generator_width"] + keys["critic_width"]
        return 1000 + self.training_patches_mb() + nets_mb + 4 * 25 * self.pixels * widths * samples / 1e6

    def gan_minutes(self, wildcards: Mapping[str, str]) -> int:
        """All steps on an old GPU, and 0.1 s a step for starting kernels where the nets are small.

        A pixel takes 178 width^2 operations of a generator that doubles and then convolves, 17 of a
        transposed one or of a critic (torch's counter, 96 pixels); with the gradients three times that.
        """
        keys = self.config.gan_keys(wildcards.level, wildcards.arch)
        upsampling = 178 if keys["upsampling"] == "nearest" else 17
        generator, critic = upsampling * keys["generator_width"] ** 2, 17 * keys["critic_width"] ** 2
        fakes, samples = keys["generator_batch"], keys["batch"] + keys["generator_batch"]
        critic_step = 3 * critic * samples + generator * fakes
        step = keys["critic_steps"] * critic_step + 3 * (generator + critic) * fakes
        steps = keys["epochs"] * keys["steps_per_epoch"]
        return int(60 + steps * (self.pixels * step / 1e12 / GPU_TERA + 0.1) / 60)

    def gan_memory(self) -> Callable[..., int]:
        """A rule's memory for one GAN."""
        return memory(self.gan_megabytes)

    def synthesis_memory(self) -> Callable[..., int]:
        """The pairs as floats, while they are made."""
        return memory(1500 + 4 * self.config.synthesis.pairs * self.pixels / 1e6)

    def pairs_memory(self) -> Callable[..., int]:
        """A set of pairs, which is in memory twice while it is read."""
        return memory(500 + 4 * self.config.synthesis.pairs * self.pixels / 1e6)

    # --- U-Nets ---

    def forward_tera(self, filters: Sequence[int]) -> float:
        """Operations (1e12) of a patch's forward pass: 83 a pixel, level and squared first filters."""
        return 83 * len(filters) * filters[0] ** 2 * self.pixels / 1e12

    def _unet_weights_mb(self) -> float:
        """MB of the weights: nearly all in the coarsest levels."""
        return 4 * 30 * self.config.unet.filters[-1] ** 2 / 1e6

    def _unet_megabytes(self, count: int, pair_bytes: int) -> float:
        """The pairs once, the weights six times, the activations of one batch forward and backward."""
        unet = self.config.unet
        batch_mb = 4 * 30 * self.pixels * unet.filters[0] * unet.batch / 1e6
        return 900 + count * pair_bytes * self.pixels / 1e6 + 6 * self._unet_weights_mb() + batch_mb

    def _unet_minutes(self, count: int, *, epochs: int) -> int:
        """All steps on an old GPU, forward and backward, and 0.05 s a step beside."""
        unet = self.config.unet
        steps = epochs * unet.factor_train_samples * count / unet.batch
        return int(30 + steps * (3 * unet.batch * self.forward_tera(unet.filters) / GPU_TERA + 0.05) / 60)

    def unet_memory(self) -> Callable[..., int]:
        """A U-Net trained on the wildcard's source."""
        return memory(lambda wildcards: self._unet_megabytes(*self.sources.image_count(wildcards.source)))

    def unet_minutes(self, wildcards: Mapping[str, str]) -> int:
        """The same training's time."""
        count, _ = self.sources.image_count(wildcards.source)
        return self._unet_minutes(count, epochs=self.config.unet.epochs)

    def private_unet_memory(self) -> Callable[..., int]:
        """All training patches, a U-Net's training, and the gradient of each patch of a micro-batch."""
        stored_mb = self._unet_weights_mb() * self.config.unet.batch
        return memory(self._unet_megabytes(0, 0) + self.training_patches_mb() + stored_mb)

    def private_unet_minutes(self) -> int:
        """All steps, forward and backward and as much again for clipping, on CPU threads."""
        asked, unet = self.config.private_unet, self.config.unet
        patches = self.config.privacy.patient_patches if self.config.privacy.unit == "patient" else 1
        passes = 6 * asked.steps * (asked.batch * patches + unet.batch)
        return int(30 + passes * self.forward_tera(unet.filters) / (THREAD_TERA * unet.threads) / 60)

    def transfer_memory(self) -> Callable[..., int]:
        """A U-Net trained on k patients."""
        each = self.config.patches.per_patient
        return memory(lambda wildcards: self._unet_megabytes(int(wildcards.k) * each, 5))

    def transfer_minutes(self, wildcards: Mapping[str, str]) -> int:
        """The same training's time."""
        count = int(wildcards.k) * self.config.patches.per_patient
        return self._unet_minutes(count, epochs=self.config.transfer.epochs)

    # --- Image quality and release ---

    def quality_memory(self) -> Callable[..., int]:
        """One generator's images while read, those chosen, SSIM's maps, features of five sets, a network."""
        quality = self.config.quality
        read = 4 * self.config.synthesis.pairs * self.pixels
        chosen = quality.frechet_images * (self.pixels + 5 * 4 * 2048)
        return memory(1000 + (read + chosen + 28 * quality.ssim_images * self.pixels) / 1e6)

    def quality_minutes(self) -> int:
        """An image through Inception twice on CPU threads, the larger network, and all pairs of SSIM."""
        quality = self.config.quality
        seconds = 2 * 2 * quality.frechet_images * 0.006 / (THREAD_TERA * quality.threads)
        return int(30 + (seconds + quality.ssim_images**2 * self.pixels * 1e-7) / 60)

    def embedding_memory(self) -> Callable[..., int]:
        """One generator's images while read, the grey values of all that are shown, and their distances."""
        shown = self.config.quality.tsne_images * (3 + len(self.config.public_baselines))
        read = 4 * self.config.synthesis.pairs * self.pixels
        return memory(700 + (read + shown * (9 * self.pixels + 20 * shown)) / 1e6)

    def release_memory(self) -> Callable[..., int]:
        """All pairs as bytes and as floats."""
        return memory(1500 + 24 * self.config.synthesis.pairs * self.pixels / 1e6)

    def release_minutes(self) -> int:
        """The files of every pair, and the search of the archive."""
        return int(60 + self.config.synthesis.pairs * 0.02 / 60)

    def copies_minutes(self) -> int:
        """Every pair beside every training patch: 3 us of a processor for 96 x 96 pixels, twice that here."""
        patients = self.cohorts.count(self.config.train_cohort, "train")
        compared = self.config.synthesis.pairs * self.config.patches.per_patient * patients
        return int(60 + 6e-6 * compared * self.pixels / 96**2 / 60)
