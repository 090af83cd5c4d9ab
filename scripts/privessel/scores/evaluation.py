"""Whole-volume evaluation of one way to segment: a mask and a row of metrics a patient."""

import csv
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import nibabel as nib
import numpy as np

from privessel.cohort.nifti import restore
from privessel.cohort.scan import Scan, load_scan
from privessel.cohort.table import Patient
from privessel.files.atomic import atomic_path
from privessel.scores.metrics import evaluate

log = logging.getLogger(__name__)


def evaluate_patients(
    patients: Sequence[Patient],
    segment: Callable[[Scan], np.ndarray],
    *,
    patch_size: int,
    rows: Sequence[Path],
    masks: Sequence[Path],
) -> None:
    """Segment every patient; write a one-row CSV of metrics each to `rows`, and the mask to `masks` if asked.

    `segment` gives a bool mask (x, y, z) of a scan; it is stored in the orientation and header of the
    patient's own image. One scan is in memory at a time. Raises CohortError as `load_scan` does.
    """
    for number, (patient, row) in enumerate(zip(patients, rows, strict=True)):
        scan = load_scan(patient, patch_size=patch_size)
        mask = segment(scan)
        if masks:
            with atomic_path(masks[number]) as partial:
                nib.save(restore(mask, patient.image), partial)
        found = evaluate(scan.vessels, mask, spacing=scan.spacing, brain=scan.brain)
        with atomic_path(row) as partial, partial.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, fieldnames=["patient", *found], lineterminator="\n")
            writer.writeheader()
            writer.writerow({"patient": patient.id} | found)
        log.info("patient %d of %d: %s, DSC %.3f", number + 1, len(patients), patient.id, found["dsc"])
