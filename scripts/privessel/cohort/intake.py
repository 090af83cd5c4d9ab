"""The list of a split's checked patients, `cohort/{cohort}/{split}.csv`, and what it is compared with."""

import csv
from pathlib import Path

from privessel.cohort.table import Patient
from privessel.errors import CohortError
from privessel.files.reading import read_text, reading


def read_voxels(table: Path) -> dict[str, str]:
    """Return, by id, the digest of each listed patient's voxels. Raises DamagedError where one lacks it."""
    with reading(table):
        rows = csv.DictReader(read_text(table).splitlines())
        voxels = {row["patient"]: row["voxels"] for row in rows}
        if not voxels or not all(voxels.values()):
            raise ValueError("it lists no patient, or one without a digest")
    return voxels


def check_listed(patient: Patient, participants: Path) -> None:
    """Refuse a patient whom the table on disk does not list under the same split.

    For simulated cohorts, whose patients the config's counts name before the table is written.
    """
    with participants.open(newline="", encoding="utf-8") as lines:
        splits = {row["participant_id"]: row["split"] for row in csv.DictReader(lines, delimiter="\t")}
    found = splits.get(f"sub-{patient.id}")
    if found != patient.split:
        raise CohortError(
            f"patient {patient.id} (cohort {patient.cohort}): {participants} says {found or 'nothing'}, the "
            f"config {patient.split}. Remedy: delete the table and run again; it is written from the config."
        )
