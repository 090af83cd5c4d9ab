"""How much memory and time the jobs of an audit ask for; see `resources`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from privessel.study.config import StudyConfig
from privessel.study.resources import GPU_TERA, THREAD_TERA, Resources, memory


@dataclass(frozen=True)
class AuditResources:
    """Memory (MB) and time (minutes) of audited runs, audited steps and attacks."""

    common: Resources

    @property
    def config(self) -> StudyConfig:
        """The study's config."""
        return self.common.config

    def audited_memory(self) -> Callable[..., int]:
        """A run of the study, its patches once more with canaries, and two copies of canaries' gradients."""
        more = self.common.training_patches_mb(2 * self.config.audit.canaries) + 3000
        return memory(lambda wildcards: self.common.gan_megabytes(wildcards) + more)

    def audited_minutes(self, wildcards: Mapping[str, str]) -> int:
        """A run of the study, and at scored steps its sample and all canaries through the critic again."""
        keys = self.config.gan_keys(wildcards.level, wildcards.arch)
        more = (keys["batch"] + self.config.audit.canaries) / (keys["batch"] + keys["generator_batch"])
        return int(self.common.gan_minutes(wildcards) * (1 + more / self.config.audit.score_every))

    def audited_steps_minutes(self, wildcards: Mapping[str, str]) -> int:
        """The critic's passes over half of a hundred canaries and over the fakes, and the steps' noise."""
        keys, privacy = self.config.gan_keys(wildcards.level, wildcards.arch), self.config.privacy
        copies = privacy.patient_patches if privacy.unit == "patient" else 1
        samples = 60 * copies + keys["generator_batch"]
        step = 3 * 17 * keys["critic_width"] ** 2 * samples * self.common.pixels / 1e12 / GPU_TERA + 0.5
        return int(60 + self.config.audit.step_guesses / 100 * step / 60)

    def audited_unet_steps_minutes(self) -> int:
        """Half of a hundred canaries through a U-Net, forward, backward and clipped, on CPU threads."""
        privacy, unet = self.config.privacy, self.config.unet
        copies = privacy.patient_patches if privacy.unit == "patient" else 1
        passes = 6 * 60 * copies * self.config.audit.step_guesses / 100
        seconds = passes * self.common.forward_tera(unet.filters) / (THREAD_TERA * unet.threads)
        return int(60 + seconds / 60)

    def _attacked_points(self) -> int:
        cohort, audit = self.config.train_cohort, self.config.audit
        patients = [self.common.cohorts.count(cohort, split) for split in ("train", "validation")]
        patients.append(self.common.cohorts.count(self.config.test_cohorts[0], "test"))
        return audit.patches * sum(patients) + audit.attacker_pairs

    def attack_memory(self) -> Callable[..., int]:
        """A patient's patches, those chosen and the pairs as points of 8 bytes a number, their distances."""
        read = 10 * self.config.patches.per_patient * self.common.pixels
        return memory(1500 + (read + 40 * self._attacked_points() * self.common.pixels) / 1e6)

    def attack_minutes(self) -> int:
        """All distances between them."""
        compared = 4 * self._attacked_points() * self.config.audit.attacker_pairs * self.common.pixels
        return int(30 + compared / 1e12 / (THREAD_TERA * self.config.quality.threads) / 60)
