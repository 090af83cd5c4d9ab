"""The list of a split's checked patients, `cohort/{cohort}/{split}.csv`: reading and comparing it."""

import csv
from pathlib import Path

from privessel.cohort.table import Patient
from privessel.errors import CohortError
from privessel.files.reading import read_text, reading
from privessel.files.tsv import read_tsv


def read_voxels(table: Path) -> dict[str, str]:
    """Return the digest of each listed patient's voxels by id; DamagedError where a patient has none."""
    with reading(table):
        rows = csv.DictReader(read_text(table).splitlines())
        voxels = {row["patient"]: row["voxels"] for row in rows}
        if not voxels or not all(voxels.values()):
            raise ValueError("it lists no patient, or a patient without a digest of the voxels")
    return voxels


def check_listed(patient: Patient, participants: Path) -> None:
    """Raise CohortError for a patient whom the table on disk does not list in the same split.

    For simulated cohorts, whose patients follow from the config's counts before the table is written.
    """
    with reading(participants):
        splits = {row["participant_id"]: row["split"] for row in read_tsv(participants)[1]}
    listed = splits.get(f"sub-{patient.id}")
    if listed != patient.split:
        place = f"in the split {listed}" if listed else "not at all"
        raise CohortError(
            f"{patient.who}{participants} lists this patient {place}, but "
            f"the config has it in {patient.split}. Remedy: delete the table and run again; it is written "
            "from the config."
        )
