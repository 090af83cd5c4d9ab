"""The part of a study on whole heads: whose scans there are, and the files that stand for them."""

import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from privessel.errors import CohortError
from privessel.files.source import fingerprint
from privessel.files.tsv import read_tsv
from privessel.study import names
from privessel.study.config import StudyConfig
from privessel.study.config.deid import HeadCohort
from privessel.study.resources import SCAN_VOXELS

ORIGINAL = "original"


@dataclass(frozen=True)
class HeadScan:
    """One T1w scan: whose, which session, and its files."""

    person: str
    session: str
    image: str
    brain: str

    @property
    def name(self) -> str:
        """The scan's name in paths."""
        return f"{self.person}_{self.session}"


@dataclass(frozen=True)
class DeidPlan:
    """Both cohorts of heads of a study and what is made of them; read only where the part is enabled.

    data, results: the study's folders.
    """

    config: StudyConfig
    data: str
    results: str

    @property
    def folder(self) -> str:
        """Where everything on heads is written."""
        return f"{self.results}/deid"

    @cached_property
    def cohorts(self) -> dict[str, HeadCohort]:
        """The two cohorts by name, the one whose heads are de-identified first."""
        deid = self.config.deid
        return {cohort.name: cohort for cohort in (deid.heads, deid.public_heads)}

    @property
    def names(self) -> list[str]:
        """The names of both cohorts; none where this part is off."""
        return list(self.cohorts) if self.config.deid.enabled else []

    @property
    def own(self) -> str:
        """The cohort whose heads are de-identified."""
        return self.config.deid.heads.name

    @property
    def known(self) -> str:
        """The cohort of public heads."""
        return self.config.deid.public_heads.name

    def root(self, cohort: str) -> str:
        """The folder of a cohort."""
        return self.cohorts[cohort].root or f"{self.data}/{cohort}"

    def is_phantom(self, cohort: str) -> bool:
        """Whether a cohort is simulated."""
        return self.cohorts[cohort].phantom is not None

    def people(self, cohort: str) -> list[str]:
        """The ids of a cohort's people; raises CohortError where its table cannot be read."""
        return list(self._people[cohort])

    def splits(self, cohort: str) -> dict[str, str]:
        """Whether each simulated person trains or judges: four in five train, as in the paper."""
        people = self.people(cohort)
        return {name: "test" if place % 5 == 4 else "train" for place, name in enumerate(people)}

    def scans(self, cohort: str) -> list[HeadScan]:
        """The scans of a cohort, person by person and session by session; CohortError for one without."""
        return list(self._scans[cohort].values())

    def scan(self, cohort: str, name: str) -> HeadScan:
        """One scan by its name in paths."""
        return self._scans[cohort][name]

    def files(self, kind: str, cohort: str, suffix: str = "npz") -> list[str]:
        """A file of every scan of a cohort: `frame`, `gamma` or `intake`."""
        return [f"{self.folder}/{kind}/{cohort}/{scan.name}.{suffix}" for scan in self.scans(cohort)]

    def records(self, cohort: str) -> list[dict[str, str]]:
        """The scans of a cohort as plain data, for a script's params."""
        return [vars(scan) | {"name": scan.name, "cohort": cohort} for scan in self.scans(cohort)]

    def simulated(self, cohort: str, name: str) -> list[str]:
        """Image and mask of a simulated scan; of another none, for `contents` decides."""
        scan = self.scan(cohort, name)
        return [scan.image, scan.brain] if self.is_phantom(cohort) else []

    def contents(self, cohort: str, name: str) -> list[str] | None:
        """What tells whether a scan of your own has changed; None of a simulated one."""
        scan = self.scan(cohort, name)
        return (
            None
            if self.is_phantom(cohort)
            else [fingerprint(Path(scan.image)), fingerprint(Path(scan.brain))]
        )

    @property
    def shielded(self) -> list[str]:
        """The kinds of hulls that are not the person's own."""
        return [hull for hull in self.config.deid.hulls if hull != "paper"]

    @property
    def methods(self) -> list[str]:
        """Everything that is attacked: the unaltered heads, the removals, and a `hull-` of each kind."""
        hulls = [f"hull-{hull}" for hull in self.config.deid.hulls]
        return [ORIGINAL, *self.config.deid.methods, *hulls]

    def gammas_of(self, method: str, cohort: str) -> list[str]:
        """The gammas that a hull's heads are made of; none for another method."""
        return self.files("gamma", cohort) if method.startswith("hull-") else []

    def hulls_of(self, method: str, cohort: str) -> list[str]:
        """The archive of a shield's hulls; none for the paper's, which are in the gammas."""
        hull = method.removeprefix("hull-")
        return [f"{self.folder}/hulls/{hull}/{cohort}.npz"] if hull in self.shielded else []

    @property
    def shown(self) -> HeadScan:
        """The scan that figure 1 shows: the first one of a person of `heads`."""
        people = self.people(self.own)
        person = people[self.config.deid.shown % len(people)]
        return next(scan for scan in self.scans(self.own) if scan.person == person)

    @property
    def shown_methods(self) -> list[str]:
        """The methods of figure 1; blurring acts on pictures, and has none of its own."""
        return [method for method in self.methods if method != "blurred"]

    def needs_secret(self, hull: str, cohort: str) -> bool:
        """Whether a hull's draws are charged to people."""
        return hull.startswith("local-dp-") and not self.cohorts[cohort].public

    def faces(self, cohort: str) -> list[str]:
        """The faces of a cohort by every method."""
        return [f"{self.folder}/faces/{method}/{cohort}.npz" for method in self.methods]

    def voxels(self, cohort: str) -> float:
        """Voxels of a cohort's scan."""
        phantom = self.cohorts[cohort].phantom
        return phantom.side**3 if phantom else SCAN_VOXELS

    def scan_megabytes(self, cohort: str) -> float:
        """MB of a step on one scan: several copies of it and of its cube as float64."""
        return 400 + 80 * (self.voxels(cohort) + self.config.deid.size**3) / 1e6

    def cohort_megabytes(self, cohort: str) -> float:
        """MB of a step that goes through the cubes of a cohort and keeps their hulls or depths."""
        cube = self.config.deid.size**3
        return 700 + 80 * cube / 1e6 + len(self.scans(cohort)) * (cube + 24 * self.config.deid.size**2) / 1e6

    @cached_property
    def _people(self) -> dict[str, list[str]]:
        return {name: self._read_people(name) for name in self.names}

    def _read_people(self, cohort: str) -> list[str]:
        phantom = self.cohorts[cohort].phantom
        if phantom:
            prefix = "".join(part[0] for part in cohort.split("-"))
            return [f"{prefix}{number:03d}" for number in range(1, phantom.people + 1)]
        table = Path(self.root(cohort), self.config.deid.participants)
        try:
            columns, rows = read_tsv(table)
        except ValueError as problem:
            raise CohortError(f"cohort {cohort}: {table} {problem}.") from problem
        if "participant_id" not in columns:
            raise CohortError(f"cohort {cohort}: {table} has no column participant_id. Remedy: add it.")
        people = [row["participant_id"].removeprefix("sub-") for row in rows]
        strange = [name for name in people if not re.fullmatch(names.PATIENT, name)]
        if strange:
            raise CohortError(
                f"cohort {cohort}: {table} has the id {strange[0]!r}, which cannot be a file's name. "
                "Remedy: use "
                "letters, digits, -, _ and dots, the first one a letter or digit."
            )
        repeated = sorted({name for name in people if people.count(name) > 1})
        if repeated or not people:
            what = f"lists {', '.join(repeated)} more than once" if repeated else "lists nobody"
            raise CohortError(f"cohort {cohort}: {table} {what}. Remedy: give each person one row.")
        return people

    @cached_property
    def _scans(self) -> dict[str, dict[str, HeadScan]]:
        return {name: {scan.name: scan for scan in self._find_scans(name)} for name in self.names}

    def _find_scans(self, cohort: str) -> list[HeadScan]:
        phantom, found, without = self.cohorts[cohort].phantom, [], []
        for person in self.people(cohort):
            scans = [self._place(cohort, person, session) for session in self.config.deid.sessions]
            scans = (
                scans[: phantom.visits] if phantom else [one for one in scans if os.path.exists(one.image)]
            )
            found += scans
            without += [] if scans else [person]
        if without:
            raise CohortError(
                f"cohort {cohort}: no T1w scan of "
                f"{', '.join(without[:5])}{' and others' * (len(without) > 5)} "
                "was found; the first place is "
                f"{self._place(cohort, without[0], self.config.deid.sessions[0]).image}. "
                "Remedy: correct deid.image and deid.sessions, or remove these people's rows."
            )
        missing = [one.brain for one in found if not phantom and not os.path.exists(one.brain)]
        if missing:
            raise CohortError(
                f"cohort {cohort}: {len(missing)} scans have no brain mask, such as {missing[0]}. "
                "Remedy: correct "
                "deid.brain, or make the masks."
            )
        return found

    def _place(self, cohort: str, person: str, session: str) -> HeadScan:
        given, root = {"patient": person, "session": session}, self.root(cohort)
        deid = self.config.deid
        image, brain = (os.path.join(root, path.format(**given)) for path in (deid.image, deid.brain))
        return HeadScan(person, session, image, brain)
