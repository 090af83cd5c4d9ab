"""Whole-volume evaluation of one way to segment: a mask and a row of metrics for every patient."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from privessel.cohort.nifti import restore
from privessel.cohort.scan import Scan, load_native_scan, prepare, restore_grid
from privessel.cohort.table import Patient
from privessel.files.atomic import atomic_path
from privessel.files.tables import write_rows
from privessel.scores.metrics import evaluate

log = logging.getLogger(__name__)


def evaluate_patients(
    patients: Sequence[Patient],
    segment: Callable[[Scan], np.ndarray],
    *,
    patch_size: int,
    rows: Sequence[Path],
    masks: Sequence[Path],
    table: Path,
) -> None:
    """Segment every patient; write a one-row CSV of metrics each to `rows`, and the mask to `masks` if asked.

    `table` gets the rows of all patients, for whoever needs the whole evaluation.

    `segment` returns a bool mask (x, y, z) of a scan, which is prepared as its cohort asks. The mask goes
    back to the voxels of the patient's image as stored, where it is compared with the patient's vessel mask,
    and is saved in the orientation and header of that image. One patient's scan is in memory at a time.
    Raises CohortError as `load_scan` does.
    """
    for number, (patient, row) in enumerate(zip(patients, rows, strict=True), start=1):
        native = load_native_scan(patient, patch_size=patch_size)
        scan = prepare(patient, native)
        mask = restore_grid(segment(scan), scan, native)
        if masks:
            with atomic_path(masks[number - 1]) as partial:
                nib.save(restore(mask, patient.image), partial)
        metrics = evaluate(native.vessels, mask, spacing=native.spacing, brain=native.brain)
        write_rows(row, [{"patient": patient.id} | metrics], columns=["patient", *metrics])
        log.info("patient %d of %d: %s, DSC %.3f", number, len(patients), patient.id, metrics["dsc"])
    _gather(rows, table)


def _gather(rows: Sequence[Path], table: Path) -> None:
    """Write one table of files that have the same heading and one row each."""
    lines = [path.read_text(encoding="utf-8").splitlines(keepends=True) for path in rows]
    with atomic_path(table) as partial:
        partial.write_text("".join([lines[0][0], *(row for _, row in lines)]), encoding="utf-8")
