"""The part of a study on whole heads: whose scans there are, and the files that stand for them."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from privessel.errors import ConfigError
from privessel.files.source import check_output_outside, fingerprint
from privessel.study import head_scans, names
from privessel.study.config import StudyConfig
from privessel.study.config.deid import HeadCohort
from privessel.study.head_counts import find_too_few
from privessel.study.head_scans import HeadScan
from privessel.study.resources import SCAN_VOXELS

_SHOWN = 5  # people that a message lists


@dataclass(frozen=True)
class DeidPlan:
    """Both cohorts of heads of a study and what is made of them; read only where the part is enabled.

    data, results, logs: the study's folders. absent_allowed: a cohort whose folder does not exist gets one
    stand-in person, so that who has tables and no scans may draw figures again.
    """

    config: StudyConfig
    data: str
    results: str
    logs: str = "logs"
    absent_allowed: bool = False

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

    def check(self) -> None:
        """Read both cohorts; raise ConfigError that lists what asks for more people than there are.

        Raises CohortError where a cohort cannot be read. Without a part on heads there is nothing to check.
        """
        for output in (self.results, self.data, self.logs) if self.names else ():
            check_output_outside(Path(output), self._roots)
        faults = []
        if self.names and not self.absent:
            people = {name: len(self.people(name)) for name in self.names}
            faults = find_too_few(self.config.deid, people, known_scans=len(self.scans(self.known)))
            twice = sorted({*self.people(self.own)} & {*self.people(self.known)})
            if twice:
                shown = ", ".join(twice[:_SHOWN])
                shown += f" and {len(twice) - _SHOWN} others" * (len(twice) > _SHOWN)
                faults.append(f"deid.heads and deid.public_heads both have {shown}: no person is in both")
        if faults:
            raise ConfigError("config: " + "; ".join(faults) + ". Remedy: correct these keys.")

    @property
    def _roots(self) -> dict[str, Path]:
        return {name: Path(root) for name, root in self.config.deid.roots.items()}

    @property
    def absent(self) -> list[str]:
        """The cohorts whose folders do not exist, where that is allowed."""
        return [name for name, root in self._roots.items() if self.absent_allowed and not root.exists()]

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
        """The files of a scan that rules make: all of a simulated one, and the mask that a tool makes.

        `contents` stands for all others.
        """
        scan = self.scan(cohort, name)
        if self.is_phantom(cohort):
            return [scan.image, scan.brain]
        return [scan.brain] if self.masked_by_tool(cohort) else []

    def masked_by_tool(self, cohort: str) -> bool:
        """Whether a tool makes the brain masks of a cohort; simulated heads have theirs."""
        return self.config.deid.brain_tool != "file" and not self.is_phantom(cohort)

    @property
    def tools(self) -> list[str]:
        """What the study asks of tools of others: a key of `head_tools`' tables each, or none of them."""
        masks = [self.config.deid.brain_tool for name in self.names if self.masked_by_tool(name)]
        return [*masks[:1], *(self.config.deid.methods if self.names else [])]

    def contents(self, cohort: str, name: str) -> list[str] | None:
        """What tells whether a scan of your own has changed; None of a simulated one."""
        if self.is_phantom(cohort) or cohort in self.absent:
            return None
        scan = self.scan(cohort, name)
        files = [scan.image] if self.masked_by_tool(cohort) else [scan.image, scan.brain]
        return [fingerprint(Path(path)) for path in files]

    @property
    def shielded(self) -> list[str]:
        """The kinds of hulls that are not the person's own."""
        return [hull for hull in self.config.deid.hulls if hull != "paper"]

    @property
    def methods(self) -> list[str]:
        """Everything that is attacked: unaltered heads, removals, `hull-` and `gan-` with a kind of hull."""
        deid = self.config.deid
        hulls = [f"{names.HULL_METHOD}{hull}" for hull in deid.hulls]
        gans = [f"{names.GAN_METHOD}{hull}" for hull in deid.gan.hulls]
        return [names.ORIGINAL, *deid.methods, *hulls, *gans]

    def frames_of(self, method: str, cohort: str) -> list[str]:
        """The framed scans that a method works on; none for a GAN's heads, which are files of their own."""
        return [] if method.startswith(names.GAN_METHOD) else self.files("frame", cohort)

    def gammas_of(self, method: str, cohort: str) -> list[str]:
        """The gammas that a hull's heads are made of; none for another method."""
        return self.files("gamma", cohort) if method.startswith(names.HULL_METHOD) else []

    def hulls_of(self, method: str, cohort: str) -> list[str]:
        """The archive of a shield's hulls; none for the paper's, which are in the gammas."""
        hull = method.removeprefix(names.HULL_METHOD)
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
        return [method for method in self.methods if method != names.BLURRED]

    def needs_secret(self, hull: str, cohort: str) -> bool:
        """Whether a hull's draws are charged to people."""
        return names.parse_hull(hull)[0] == "local-dp" and not self.cohorts[cohort].public

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
        return {name: self._name_people(name) for name in self.names}

    def _name_people(self, cohort: str) -> list[str]:
        phantom = self.cohorts[cohort].phantom
        if cohort in self.absent:
            return ["absent"]
        if not phantom:
            return head_scans.read_people(Path(self.root(cohort), self.config.deid.participants), cohort)
        prefix = "".join(part[0] for part in cohort.split("-"))
        return [f"{prefix}{number:03d}" for number in range(1, phantom.people + 1)]

    @cached_property
    def _scans(self) -> dict[str, dict[str, HeadScan]]:
        return {name: {scan.name: scan for scan in self._list_scans(name)} for name in self.names}

    def _list_scans(self, cohort: str) -> list[HeadScan]:
        deid, root, phantom = self.config.deid, self.root(cohort), self.cohorts[cohort].phantom
        # Simulated scans lie where they are written, wherever those of a cohort of your own lie.
        paths = (names.HEAD_IMAGE, names.HEAD_BRAIN) if phantom else (deid.image, deid.brain)
        several = "{session}" in deid.image  # else each person has one scan, the first session's
        sessions = deid.sessions[: phantom.visits] if phantom else deid.sessions[: None if several else 1]
        places = [
            [head_scans.place_scan(root, *paths, person=person, session=session) for session in sessions]
            for person in self.people(cohort)
        ]
        if phantom or cohort in self.absent:
            return [scan for own in places for scan in own]
        by_tool = self.masked_by_tool(cohort)
        found = head_scans.find_scans(places, cohort, masks=not by_tool)
        folder = f"{self.folder}/brain/{cohort}"
        return [replace(scan, brain=f"{folder}/{scan.name}.nii.gz") if by_tool else scan for scan in found]
