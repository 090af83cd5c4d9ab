"""The site that answers for the patients, as far as it matters before any job: units and secret."""

import logging
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from privessel.errors import ConfigError
from privessel.study.cohorts import Cohorts
from privessel.study.config import StudyConfig
from privessel.study.config.fields import resolve_delta

log = logging.getLogger("privessel")


@dataclass(frozen=True)
class SitePlan:
    """Whom noise protects in a study, at which delta, and where secret and ledgers of its site lie.

    dry_run: no job will run, so a secret that is not there yet is only worth a warning.
    """

    config: StudyConfig
    cohorts: Cohorts
    dry_run: bool = False

    @property
    def public(self) -> bool:
        """Whether the training cohort is nobody's: then nothing is charged and no secret is needed."""
        return self.cohorts.is_public(self.config.train_cohort)

    @property
    def training_patients(self) -> int:
        """How many patients GANs are trained on."""
        return self.cohorts.count(self.config.train_cohort, "train")

    @property
    def patches(self) -> int:
        """How many patches GANs are trained on."""
        return self.training_patients * self.config.patches.per_patient

    @property
    def units(self) -> int:
        """How many patches, or patients, the noise hides one of."""
        return self.patches if self.config.privacy.unit == "patch" else self.training_patients

    @property
    def delta(self) -> float:
        """Delta of a patch."""
        return resolve_delta(self.config.privacy.delta, units=self.patches)

    @property
    def patient_delta(self) -> float:
        """Delta of a patient."""
        return resolve_delta(self.config.privacy.patient_delta, units=self.training_patients)

    def promise(self) -> dict[str, object]:
        """What training needs to know of the promise: unit, public numbers of the cohort, and both deltas."""
        return {
            "unit": self.config.privacy.unit,
            "patient_patches": self.config.privacy.patient_patches,
            "patients": self.training_patients,
            "patches_per_patient": self.config.patches.per_patient,
            "max_overlap": self.config.patches.max_overlap,
            "grid_bits": self.config.privacy.grid_bits,
            "delta": self.delta,
            "patient_delta": self.patient_delta,
        }

    def charged_budget(self) -> dict[str, float] | None:
        """Return the budget that private runs on patients are checked against; None on a public cohort."""
        return None if self.public else self.budget()

    def budget(self) -> dict[str, float]:
        """What all private runs together may cost a patient: eps and its delta."""
        budget = self.config.privacy.budget
        return {"epsilon": budget.epsilon, "delta": resolve_delta(budget.delta, units=self.patches)}

    def state(self) -> Path:
        """Return the folder of secret and ledgers; ConfigError where none is named, or an unsafe one."""
        if not self.config.privacy.state:
            raise ConfigError(
                "config: privacy.state is not set. Private levels on a cohort that is not marked `public: "
                "true` draw from a secret and charge a ledger there. Remedy: name a folder that is backed up "
                "(without *.nonce) and that nobody else can read, and make the secret once with the target "
                "`secret`."
            )
        state = Path(self.config.privacy.state)
        shared = {name: self.cohorts.root(name) for name in self.cohorts.names}
        shared |= {name: Path(root) for name, root in self.config.deid.roots.items()}
        shared |= {"results": Path("results"), "data": Path("data"), "logs": Path("logs")}
        for name, folder in shared.items():
            if state.resolve().is_relative_to(folder.resolve()):
                raise ConfigError(
                    f"config: privacy.state {state} lies inside {folder} ({name}), which others may read or "
                    "remove. Remedy: name a folder of its own."
                )
        anchor = self.config.privacy.anchor
        if anchor and Path(anchor).resolve().is_relative_to(state.resolve()):
            raise ConfigError(
                f"config: privacy.anchor {anchor} lies inside privacy.state, and would be lost or restored "
                "together with the ledgers. Remedy: name a file in another place, best on another machine."
            )
        return state

    def require_secret(self) -> list[str]:
        """Return nothing to wait for. Raises ConfigError where a private run would find no secret.

        A dry run only warns, so that a first look at a study needs no secret.
        """
        missing = not self.config.privacy.state or not (self.state() / "master.key").exists()
        if missing and self.dry_run:
            place = self.config.privacy.state or "privacy.state, which is not set"
            _warn_once(
                f"Nothing private can be trained or drawn yet: there is no master secret in {place}. Once a "
                "site: set privacy.state, and run the same command without -n and with the target `secret`."
            )
        elif missing:
            raise ConfigError(
                f"{self.state() / 'master.key'}: no master secret. Remedy: if this site has never had one, "
                "make it once with the same command and the target `secret` alone; else restore it from a "
                "backup, or set privacy.state to where it lies."
            )
        return []

    def ledgers(self) -> list[str]:
        """Return the ledgers that the site has."""
        return sorted(str(path) for path in self.state().glob("*.ledger"))


@cache
def _warn_once(message: str) -> None:
    """Many jobs ask for the secret, and one line about it is enough."""
    log.warning(message)
