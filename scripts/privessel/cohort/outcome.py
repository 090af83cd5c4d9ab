"""The outcome of a patient's check as data, so that one faulty scan does not hide faults of the others."""

from collections.abc import Mapping, Sequence

from privessel.cohort.description import describe
from privessel.cohort.scan import load_native_scan, prepare
from privessel.cohort.table import Patient
from privessel.errors import CohortError


def check(patient: Patient, *, patch_size: int) -> dict:
    """Return what `cohort/{cohort}/{patient}.json` holds: a description, and `problems`, a sentence each.

    A patient without problems can be used and has all keys of `describe`. One with problems has only
    `patient`, `cohort`, `split`, `problems` and `warnings`.
    """
    try:
        native = load_native_scan(patient, patch_size=patch_size)
        return describe(patient, native, prepare(patient, native)) | {"problems": []}
    except CohortError as error:
        return {
            "patient": patient.id,
            "cohort": patient.cohort,
            "split": patient.split,
            "problems": str(error).splitlines(),
            "warnings": [],
        }


def require_usable(outcomes: Sequence[Mapping]) -> None:
    """Raise CohortError that lists the problems of all patients among `outcomes` that have any."""
    failed = [outcome for outcome in outcomes if outcome["problems"]]
    if failed:
        problems = "\n".join(problem for outcome in failed for problem in outcome["problems"])
        raise CohortError(
            f"{len(failed)} of {len(outcomes)} patients cannot be used.\n{problems}\nRemedy: correct these "
            "files, or leave the patients out of participants.tsv; then start the same command again. The "
            "target `intake` shows every patient with a picture."
        )
