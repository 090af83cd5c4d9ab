"""A cohort's table: its patients, the split of each, and where their files are.

The Snakefile imports this module, so it needs only the standard library; `scan` opens the files.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from privessel.cohort.rows import SPLITS, row_values, template_fields
from privessel.errors import CohortError, raise_problems
from privessel.files.source import find_absence
from privessel.files.tsv import read_tsv


def who(patient: str, cohort: str) -> str:
    """Return how every message about a patient, an id of a cohort, begins.

    >>> who("017", "pegasus")
    'patient 017 (cohort pegasus): '
    """
    return f"patient {patient} (cohort {cohort}): "


@dataclass(frozen=True)
class Patient:
    """One row of a cohort's table: `id` without 'sub-', and the NIfTI files (`brain` may be None)."""

    id: str
    cohort: str
    split: str
    image: Path
    vessels: Path
    brain: Path | None
    resample_mm: tuple[float, float, float] | None = None  # voxel size in RAS order; None: as stored
    bias_correction: str = "none"  # n4 | none

    @property
    def who(self) -> str:
        """How every message about the patient begins."""
        return who(self.id, self.cohort)

    @property
    def files(self) -> list[Path]:
        """Image, vessel mask and, where there is one, brain mask."""
        return [path for path in (self.image, self.vessels, self.brain) if path is not None]


def read_participants(
    *, cohort: str, root: Path, participants: str, image: str, vessels: str, brain: str | None
) -> list[Patient]:
    """Read a cohort's tab-separated `participants` table under `root`, in the table's order.

    `image`, `vessels` and `brain` are paths relative to `root` with `{patient}` (participant_id without
    'sub-'), `{session}` (column session or session_id without 'ses-') or any other column in braces. Raises
    CohortError listing every problem of the table with its remedy. The scans themselves are not looked at.
    """
    table = Path(root) / participants
    where = f"cohort {cohort}: {table}"
    try:
        columns, rows = read_tsv(table)
    except ValueError as problem:
        raise CohortError(f"{where} {problem}.") from problem
    missing = [name for name in ("participant_id", "split") if name not in columns]
    if missing:
        raise CohortError(
            f"{where} has no column {' and no column '.join(missing)} (found: {', '.join(columns)}). "
            f"Remedy: add it; columns are separated by tabs and names stand without quotes; split is one of "
            f"{', '.join(SPLITS)}."
        )
    return build_patients(
        cohort=cohort, root=root, rows=rows, image=image, vessels=vessels, brain=brain, where=where
    )


def build_patients(
    *,
    cohort: str,
    root: Path,
    rows: Sequence[Mapping[str, str | None]],
    image: str,
    vessels: str,
    brain: str | None,
    where: str,
) -> list[Patient]:
    """Turn table rows with participant_id, split and the templates' columns into patients.

    `where` names the rows' source in errors. Raises CohortError listing every problem.
    """
    if not rows:
        raise CohortError(f"{where} has no patients. Remedy: add one row a patient.")
    templates = {"image": image, "vessels": vessels} | ({} if brain is None else {"brain": brain})
    known = {name for name in rows[0] if name is not None} | {"patient"}
    known |= {"session"} if known & {"session", "session_id"} else set()
    fields, problems = template_fields(templates, known)
    patients = []
    for number, row in enumerate(rows, start=1):
        values, faults = row_values(row, fields)
        if faults:
            problems += [f"row {number}: {fault}" for fault in faults]
            continue
        if problems:
            # The error that follows lists all faults; the paths of a broken template or table are never used.
            paths = dict.fromkeys(("image", "vessels", "brain"), Path(root))
        else:
            paths = {role: Path(root) / template.format(**values) for role, template in templates.items()}
        patients.append(
            Patient(
                id=values["patient"],
                cohort=cohort,
                split=values["split"],
                image=paths["image"],
                vessels=paths["vessels"],
                brain=paths.get("brain"),
            )
        )
    problems += _repeated_ids(patients)
    if not problems:
        problems += _shared_files(patients)
    raise_problems(where, problems)
    return patients


def check_cohorts(cohorts: Mapping[str, Sequence[Patient]]) -> None:
    """Refuse a patient listed twice, in two splits or in two cohorts; the CohortError lists all of them."""
    problems = []
    cohorts_of: dict[str, list[str]] = defaultdict(list)
    for cohort, patients in cohorts.items():
        problems += [f"cohort {cohort}: {problem}" for problem in _repeated_ids(patients)]
        for name in dict.fromkeys(patient.id for patient in patients):
            cohorts_of[name].append(cohort)
    problems += [
        f"patient {name} is in the cohorts {' and '.join(names)}: keep one row, or give different people "
        "different ids"
        for name, names in cohorts_of.items()
        if len(names) > 1
    ]
    raise_problems("cohorts", problems)


def check_files(patients: Sequence[Patient]) -> None:
    """Raise CohortError listing every file of `patients` that does not exist."""
    problems = [
        f"{patient.who}{path} {absence}"
        for patient in patients
        for path in patient.files
        if (absence := find_absence(path))
    ]
    raise_problems(f"cohort {patients[0].cohort}", problems)


def require_splits(patients: Sequence[Patient], cohort: str, splits: Iterable[str]) -> None:
    """Raise CohortError when `cohort` has no patient in one of `splits`."""
    present = {patient.split for patient in patients}
    problems = [
        f"no {split} patients: give some rows split '{split}' in its participants.tsv"
        for split in splits
        if split not in present
    ]
    raise_problems(f"cohort {cohort}", problems)


def _repeated_ids(patients: Iterable[Patient]) -> list[str]:
    """Return one problem for every id that occurs more than once."""
    splits: dict[str, list[str]] = defaultdict(list)
    for patient in patients:
        splits[patient.id].append(patient.split)
    problems = []
    for name, listed in splits.items():
        if len(set(listed)) > 1:
            problems.append(
                f"patient {name} is in the splits {' and '.join(dict.fromkeys(listed))}: keep one row"
            )
        elif len(listed) > 1:
            problems.append(
                f"patient {name} occurs {len(listed)} times: keep one row (one session) a patient"
            )
    return problems


def _shared_files(patients: Sequence[Patient]) -> list[str]:
    """Return one problem for every file that two patients share, as with a template without {patient}."""
    owners: dict[Path, list[str]] = defaultdict(list)
    for patient in patients:
        for path in patient.files:
            owners[path].append(patient.id)
    return [
        f"patients {', '.join(names)} share the file {path}: use {{patient}} in the path templates, and a "
        "template of its own for each kind of file"
        for path, names in owners.items()
        if len(names) > 1
    ]
