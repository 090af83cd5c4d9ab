"""The outcome of a patient's check as data, so that one faulty scan does not hide faults of the others."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from privessel.cohort.description import describe, describe_prepared
from privessel.cohort.plausibility import Limits, examine
from privessel.cohort.scan import Files, build_native_scan, names_by_role
from privessel.cohort.table import Patient
from privessel.errors import CohortError
from privessel.files.reading import read_json

log = logging.getLogger(__name__)
# Keys of an outcome that decide nothing behind the check once the patient can be used.
_TOLD = ("problems", "warnings", "names", "measured", "print")
_REMEDY = (
    "correct these files, or leave the patients out of participants.tsv; then start the same command again. "
    "The target `intake` shows every patient with a picture."
)


def check(patient: Patient, files: Files, *, patch_size: int, limits: Limits) -> dict:
    """Return what `cohort/{cohort}/{patient}.json` holds: a description, `problems` and `warnings`.

    files: those of `scan.read_files`. Both lists hold sentences with patient and file, problems with
    their remedy too; they are logged as well. A patient without problems can be used and has all keys of
    `describe`, and in `measured` the numbers for `unusual.find_unusual`, whose sentences call the files by
    `names`. One whose files cannot be read, or do not belong together, has neither.
    """
    names = names_by_role(patient)
    outcome = {"patient": patient.id, "cohort": patient.cohort, "split": patient.split, "names": names}
    problems, warnings = [], []
    try:
        native, image = build_native_scan(patient, files, patch_size=patch_size), files["image"]
        found = examine(native, limits, names, unit=image.geometry.unit)
        problems += [f"{patient.who}{told}." for told in found.problems]
        warnings += native.warnings
        outcome |= {"measured": found.measured} | describe(patient, native, image)
        if not problems:
            outcome |= describe_prepared(patient, native)
    except CohortError as error:
        problems += str(error).splitlines()
    for problem in problems:
        log.warning("cannot be used: %s", problem)
    for warning in warnings:
        log.warning("%s", warning)
    return outcome | {"problems": problems, "warnings": warnings}


def read_outcomes(paths: Iterable[Path | str]) -> list[dict]:
    """Read outcomes of `check`; DamagedError names a file that holds none."""
    return [read_json(path, keys=("patient", "cohort", "split", "problems", "warnings")) for path in paths]


def list_usable(outcomes: Sequence[Mapping]) -> list[dict]:
    """Return what a split's list holds of its patients: descriptions and digests, nothing that is only told.

    Raises CohortError as `require_usable` does.
    """
    require_usable(outcomes)
    return [{key: value for key, value in outcome.items() if key not in _TOLD} for outcome in outcomes]


def require_usable(outcomes: Sequence[Mapping], *, kind: str = "patients", remedy: str = _REMEDY) -> None:
    """Raise CohortError that lists the problems of all `outcomes` that have any, each once.

    kind: what outcomes are of, in the plural. remedy: what to do, as whole sentences.
    """
    failed = [outcome for outcome in outcomes if outcome["problems"]]
    if failed:
        told = dict.fromkeys(problem for outcome in failed for problem in outcome["problems"])
        problems = "\n".join(told)
        raise CohortError(
            f"{len(failed)} of {len(outcomes)} {kind} cannot be used.\n{problems}\nRemedy: {remedy}"
        )
