"""What the check of a patient's scan found, for `cohort/{cohort}/{patient}.json`."""

import hashlib

import nibabel as nib
import numpy as np

from privessel.cohort.nifti import read_volume
from privessel.cohort.scan import Scan, paths_by_role
from privessel.cohort.table import Patient


def describe(patient: Patient, native: Scan, scan: Scan) -> dict:
    """Describe a checked patient for `cohort/{cohort}/{patient}.json`.

    Of the `native` scan: shape (canonical), spacing in mm, orientation as stored, share of the brain's voxels
    that are vessel, share of the volume that is brain, SHA-256 of every input file, and of the image's voxels
    (the same scan under another name, compressed or oriented otherwise, has the same), and the warnings. Of
    the prepared `scan`, where the cohort asks for a preparation: what was done, shape and spacing.
    """
    voxels = read_volume(patient.image).data.astype(np.float32)
    description = {
        "patient": patient.id,
        "cohort": patient.cohort,
        "split": patient.split,
        "shape": list(native.image.shape),
        "spacing_mm": [round(side, 6) for side in native.spacing],
        "orientation": "".join(nib.aff2axcodes(nib.load(patient.image).affine)),
        "vessel_fraction": float((native.vessels & native.brain).sum() / native.brain.sum()),
        "brain_fraction": float(native.brain.mean()),
        "sha256": {
            role: hashlib.sha256(path.read_bytes()).hexdigest()
            for role, path in paths_by_role(patient).items()
        },
        "voxels": hashlib.sha256(str(voxels.shape).encode() + voxels.tobytes()).hexdigest(),
        "warnings": list(native.warnings),
    }
    if scan is not native:
        description["prepared"] = {
            "bias_correction": patient.bias_correction,
            "shape": list(scan.image.shape),
            "spacing_mm": [round(side, 6) for side in scan.spacing],
        }
    return description
