"""What the check of a patient's scan found, as plain data."""

import nibabel as nib
import numpy as np

from privessel.cohort.likeness import digest_values, digest_voxels, take_print
from privessel.cohort.nifti import Stored, reorient
from privessel.cohort.scan import Scan, paths_by_role, prepare
from privessel.cohort.table import Patient
from privessel.files.reading import file_digest


def describe(patient: Patient, native: Scan, image: Stored) -> dict:
    """Describe a checked patient's `native` scan; `image` is the patient's image as stored.

    Shape (canonical), spacing in mm, orientation as stored (`unknown` where the header has none) and unit of
    the image's header, share of the brain's voxels that are vessel, share of the volume that is brain,
    SHA-256 of every input file, and what the same scan under another name is recognised by (`likeness`).
    """
    geometry, voxels = image.geometry, reorient(image).data.astype(np.float32)
    return {
        "shape": list(native.image.shape),
        "spacing_mm": [round(side, 6) for side in native.spacing],
        "orientation": "".join(nib.aff2axcodes(geometry.affine)) if geometry.known else "unknown",
        "unit": geometry.unit,
        "vessel_fraction": native.vessel_share,
        "brain_fraction": float(native.brain.mean()),
        "sha256": {role: file_digest(path) for role, path in paths_by_role(patient).items()},
        "voxels": digest_voxels(voxels),
        "vessel_voxels": digest_voxels(native.vessels),
        "values": digest_values(voxels),
        "print": take_print(voxels),
    }


def describe_prepared(patient: Patient, native: Scan) -> dict:
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
