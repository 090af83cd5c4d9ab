"""The patients of a study, known before any job runs, and the files that stand for them."""

import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from privessel.cohort import table
from privessel.cohort.rows import SPLITS
from privessel.cohort.table import Patient
from privessel.files.source import check_output_outside, fingerprint
from privessel.study.config import StudyConfig

# Stands in for a patient of a cohort whose folder is not there, while figures alone are drawn again.
_STAND_IN = {"image": "{patient}/image", "vessels": "{patient}/vessels", "brain": None}


@dataclass(frozen=True)
class Cohorts:
    """Every patient of the cohorts that a study uses; reading them raises CohortError before any job.

    data: folder of simulated cohorts. outputs: folders the study writes to, which no cohort may contain.
    absent_allowed: a cohort whose folder does not exist gets one stand-in patient a split, so that who has a
    study's CSVs and no patient may draw its figures again.
    """

    config: StudyConfig
    data: Path
    outputs: tuple[Path, ...]
    absent_allowed: bool = False

    @cached_property
    def patients(self) -> dict[str, list[Patient]]:
        """The patients of each cohort, in the order of its table."""
        cohorts = {name: self._prepared(name) for name in self.config.used_cohorts}
        table.check_cohorts(cohorts)
        table.require_splits(
            cohorts[self.config.train_cohort], self.config.train_cohort, ["train", "validation"]
        )
        for names, split in ((self.config.test_cohorts, "test"), (self.config.public_baselines, "train")):
            for name in names:
                table.require_splits(cohorts[name], name, [split])
        return cohorts

    @property
    def names(self) -> list[str]:
        """The names of the cohorts."""
        return list(self.patients)

    @cached_property
    def absent(self) -> list[str]:
        """The cohorts whose folders do not exist, where that is allowed."""
        own = [name for name in self.config.used_cohorts if not self.is_phantom(name)]
        return [name for name in own if self.absent_allowed and not self.root(name).exists()]

    @cached_property
    def _by_id(self) -> dict[tuple[str, str], Patient]:
        return {(name, patient.id): patient for name in self.names for patient in self.patients[name]}

    def is_phantom(self, name: str) -> bool:
        """Whether a cohort is simulated."""
        return self.config.cohorts[name].phantom is not None

    def is_public(self, name: str) -> bool:
        """Whether a cohort's scans are nobody's, or anyone may have them."""
        return self.config.cohorts[name].public

    def root(self, name: str) -> Path:
        """The folder of a cohort."""
        return Path(self.config.cohorts[name].root or self.data / name)

    def ids(self, name: str, split: str) -> list[str]:
        """The ids of a split's patients."""
        return [patient.id for patient in self.patients[name] if patient.split == split]

    def count(self, name: str, split: str) -> int:
        """How many patients a split has."""
        return len(self.ids(name, split))

    def splits_before(self, name: str, split: str) -> list[tuple[str, str]]:
        """The splits, by cohort and name, that this one is compared with: of two, the later asks.

        All train splits come before validation and test, so that no training waits for, or begins anew with,
        patients who judge. Simulated patients are left out, because each has a seed of its own.
        """
        if self.is_phantom(name):
            return []
        real = [other for other in self.names if not self.is_phantom(other)]
        order = [(cohort, part) for part in SPLITS for cohort in real]
        return order[: order.index((name, split))]

    def record(self, name: str, patient: str) -> dict[str, object]:
        """One patient as keywords of `Patient`, for a script's params."""
        return vars(self._by_id[name, patient])

    def records(self, name: str, split: str) -> list[dict[str, object]]:
        """The patients of a split as keywords of `Patient`."""
        return [self.record(name, patient) for patient in self.ids(name, split)]

    def simulated_files(self, name: str, patient: str) -> list[str]:
        """Image, vessel mask and brain mask of a simulated patient; of another none.

        Scans of your own are no inputs of rules: Snakemake would ask whether they are newer, which a
        corrected file need not be, and read braces in their names. `contents` decides instead.
        """
        return [str(path) for path in self._by_id[name, patient].files] if self.is_phantom(name) else []

    def contents(self, name: str, patient: str) -> list[str] | None:
        """What tells whether the files of a patient's scan have changed; None of a simulated one."""
        if self.is_phantom(name) or name in self.absent:
            return None
        return [fingerprint(path) for path in self._by_id[name, patient].files]

    @property
    def _intake(self) -> list[str]:
        """The cohorts that target `intake` shows: folders of scans, or simulated ones in a study without."""
        return [name for name in self.names if not self.is_phantom(name)] or self.names

    def intake_files(self, suffix: str, results: str) -> list[str]:
        """The outcome (`json`) or picture (`png`) of every patient that target `intake` shows."""
        return [
            f"{results}/cohort/{name}/{patient.id}.{suffix}"
            for name in self._intake
            for patient in self.patients[name]
        ]

    @property
    def intake_is_public(self) -> bool:
        """Whether all patients that target `intake` shows are nobody's, or anyone may see them."""
        return all(self.is_public(name) for name in self._intake)

    def phantom_splits(self, name: str) -> dict[str, str]:
        """Patient -> split of a simulated cohort, from the config's counts alone."""
        counts = self.config.cohorts[name].phantom.patients
        splits = [split for split in SPLITS for _ in range(getattr(counts, split))]
        prefix = re.sub("[^A-Za-z0-9]", "", name.removeprefix("phantom-"))
        return {f"{prefix}{number:03d}": split for number, split in enumerate(splits, start=1)}

    def _layout(self, name: str) -> dict[str, object]:
        """Where the files of a cohort lie: its own keys before the study's; an empty template means none."""
        cohort, common = self.config.cohorts[name], self.config.layout
        keys = ("participants", "image", "vessels", "brain")
        own = {key: getattr(cohort, key) for key in keys}
        chosen = {key: getattr(common, key) if own[key] is None else own[key] for key in keys}
        return {"root": self.root(name)} | {key: template or None for key, template in chosen.items()}

    def _prepared(self, name: str) -> list[Patient]:
        """Read a cohort's patients, each with what the cohort asks to be done to its scans."""
        cohort = self.config.cohorts[name]
        asked = {"resample_mm": cohort.resample_mm, "bias_correction": cohort.bias_correction}
        return [replace(patient, **asked) for patient in self._read(name)]

    def _read(self, name: str) -> list[Patient]:
        layout = self._layout(name)
        if name in self.absent:
            rows = [{"participant_id": f"sub-{split}", "split": split} for split in SPLITS]
            return table.build_patients(cohort=name, root=layout["root"], rows=rows, where=name, **_STAND_IN)
        if self.is_phantom(name):
            layout.pop("participants")
            splits = self.phantom_splits(name)
            rows = [{"participant_id": f"sub-{patient}", "split": split} for patient, split in splits.items()]
            where = f"cohorts: {name}: phantom: patients"
            return table.build_patients(cohort=name, rows=rows, where=where, **layout)
        for output in self.outputs:
            check_output_outside(output, {name: layout["root"]})
        patients = table.read_participants(cohort=name, **layout)
        table.check_files(patients)
        return patients
