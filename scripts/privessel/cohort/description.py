"""The check of one patient: everything that is wrong or unusual, and what the scan is, as plain data."""

import logging

import nibabel as nib
import numpy as np

from privessel.cohort.likeness import digest_voxels, take_print
from privessel.cohort.nifti import read_stored, reorient
from privessel.cohort.plausibility import Limits, examine
from privessel.cohort.scan import Scan, load_native_scan, names_by_role, paths_by_role, prepare, who
from privessel.cohort.table import Patient
from privessel.errors import CohortError
from privessel.files.reading import file_digest

log = logging.getLogger(__name__)


def check_patient(patient: Patient, *, patch_size: int, limits: Limits) -> dict:
    """Read, check and describe a patient for `cohort/{cohort}/{patient}.json`.

    Nothing is raised for what is wrong with the files: it stands in the report's `problems`, a sentence each
    with patient, file and remedy, so that all patients are checked before any is refused. `warnings` holds
    what is unusual. A report of files that cannot be read has these two and the patient's names alone.
    """
    report = {
        "patient": patient.id,
        "cohort": patient.cohort,
        "split": patient.split,
        "problems": [],
        "warnings": [],
        "voxels": None,
    }
    try:
        native = load_native_scan(patient, patch_size=patch_size)
        stored = read_stored(patient.image)
        found = examine(native, limits, names_by_role(patient), unit=stored.geometry.unit)
        report["problems"] += [f"{who(patient)}{told}." for told in found.problems]
        report["warnings"] += [*native.warnings, *(f"{who(patient)}{told}" for told in found.warnings)]
        report |= describe(patient, native)
        if not found.problems:
            report |= _describe_prepared(patient, native)
    except CohortError as problem:
        report["problems"] += str(problem).splitlines()
    for told in report["problems"]:
        log.error("%s", told)
    for told in report["warnings"]:
        log.warning("%s", told)
    return report


def describe(patient: Patient, native: Scan) -> dict:
    """Describe a checked patient's `native` scan.

    Shape (canonical), spacing in mm, orientation as stored (`unknown` where the header has none) and unit of
    the image's header, share of the brain's voxels that are vessel, share of the volume that is brain,
    SHA-256 of every input file, and what the same scan under another name is recognised by (`likeness`).
    """
    stored = read_stored(patient.image)
    geometry, voxels = stored.geometry, reorient(stored).data.astype(np.float32)
    return {
        "shape": list(native.image.shape),
        "spacing_mm": [round(side, 6) for side in native.spacing],
        "orientation": "".join(nib.aff2axcodes(geometry.affine)) if geometry.known else "unknown",
        "unit": geometry.unit,
        "vessel_fraction": float((native.vessels & native.brain).sum() / native.brain.sum()),
        "brain_fraction": float(native.brain.mean()),
        "sha256": {role: file_digest(path) for role, path in paths_by_role(patient).items()},
        "voxels": digest_voxels(voxels),
        "vessel_voxels": digest_voxels(native.vessels),
        "print": take_print(voxels),
    }


def _describe_prepared(patient: Patient, native: Scan) -> dict:
    """Describe what becomes of the scan where the cohort asks for a preparation; else nothing."""
    scan = prepare(patient, native)
    if scan is native:
        return {}
    return {
        "prepared": {
            "bias_correction": patient.bias_correction,
            "shape": list(scan.image.shape),
            "spacing_mm": [round(side, 6) for side in scan.spacing],
        }
    }
