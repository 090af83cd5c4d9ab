"""Which runs are audited, and what can be refused before any job is."""

from dataclasses import dataclass

from privessel.errors import ConfigError
from privessel.study.config import StudyConfig
from privessel.study.site import SitePlan
from privessel.study.sources import SourcePlan


@dataclass(frozen=True)
class AuditPlan:
    """Target `audit` of one study."""

    config: StudyConfig
    sources: SourcePlan
    site: SitePlan

    def epoch(self, level: str) -> int:
        """The epoch whose generator is attacked: the last, because the claim is about all steps."""
        return self.config.gan_keys(level)["epochs"]

    def training(self, arch: str, level: str) -> dict[str, object]:
        """The hyper-parameters of an audited training; only the epoch that is attacked is kept."""
        return self.config.gan_keys(level, arch) | {"kept_epochs": [self.epoch(level)]}

    def plan(self) -> dict[str, object]:
        """What is fixed before the first step of an audited training."""
        audit = self.config.audit
        names = ("canaries", "guesses_in", "guesses_out", "confidence", "score_every")
        return {name: getattr(audit, name) for name in names}

    def canary_patches(self) -> list[str]:
        """Patches of a public cohort, enough to make canaries of; ConfigError where there is none."""
        if not self.config.public_baselines:
            raise ConfigError(_NO_CANARIES)
        patches = self.sources.patches(self.config.public_baselines[-1])
        return patches[: 1 + self.config.audit.canaries // self.config.patches.per_patient]

    def runs(self) -> list[str]:
        """Return the folders of the audited runs. Raises ConfigError for an audit that could show nothing."""
        levels = [level for level in self.config.audit.levels if level in self.config.levels]
        if not levels:
            raise ConfigError(
                "config: none of this study's levels is in audit.levels. Remedy: name some of "
                f"{', '.join(self.config.levels)}."
            )
        if faults := self._faults():
            raise ConfigError(f"config: audit: {'; '.join(faults)}. Remedy: correct these keys.")
        folder = f"{self.sources.results}/audit/{self.config.arch}"
        return [f"{folder}/{level}/run-{self.config.audit.run}" for level in levels]

    def step_files(self) -> list[str]:
        """Return what the audit of single steps finds: of audited private levels, and of private U-Nets."""
        levels = [level for level in self.config.private_levels if level in self.config.audit.levels]
        gans = [f"{self.config.arch}/{level}" for level in levels]
        unets = [f"private-unet/{level}" for level in self.config.private_unet.levels]
        return [f"{self.sources.results}/audit/{name}/steps.csv" for name in gans + unets]

    def files(self, name: str) -> list[str]:
        """Return a file of every audited run."""
        return [f"{run}/{name}" for run in self.runs()]

    def _faults(self) -> list[str]:
        """Why this audit would show nothing, or something else than is meant."""
        config, audit, units = self.config, self.config.audit, self.site.units
        faults = []
        if not config.public_baselines:
            faults.append(_NO_CANARIES.removeprefix("config: "))
        elif len(self.canary_patches()) * config.patches.per_patient < audit.canaries:
            faults.append(
                f"canaries {audit.canaries} are more than {config.public_baselines[-1]} has patches"
            )
        if not 1 <= audit.guesses_in + audit.guesses_out <= audit.canaries:
            faults.append("guesses_in and guesses_out must be, together, at least 1 and at most canaries")
        if 4 * audit.canaries > units:
            faults.append(
                f"canaries {audit.canaries} is more than a quarter of the {units} that a private step "
                f"samples from ({config.privacy.unit}), which would make another run of it"
            )
        if audit.patches > config.patches.per_patient:
            faults.append(f"patches {audit.patches} is more than patches.per_patient")
        if audit.neighbours > min(audit.attacker_pairs, audit.patches):
            faults.append("neighbours is more than attacker_pairs or patches")
        return faults


_NO_CANARIES = "config: public_baselines has no cohort, and canaries are made of a public cohort's patches"
