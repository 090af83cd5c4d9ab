"""Small synthetic volumes: bright tubes in a noisy ellipsoid, as arrays, as scans and as NIfTI files."""

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import yaml

from privessel.cohort.outcome import check
from privessel.cohort.picture import draw_patient
from privessel.cohort.plausibility import Limits
from privessel.cohort.scan import Scan, read_files
from privessel.cohort.table import Patient
from privessel.cohort.unusual import Usual
from privessel.study.config.data import Checks

CONFIG = Path(__file__).parents[1] / "config.yaml"
CHECKS = Checks.model_validate_json(json.dumps(yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["checks"]))
LIMITS, USUAL = Limits(**CHECKS.refused()), Usual(**CHECKS.warned())


def tubes(shape=(40, 44, 16), spacing=(0.5, 0.5, 0.7), *, seed=0, gain=1.0):
    """Image float32 (0 outside the brain), vessels and brain bool: three tubes in an ellipsoid of tissue."""
    rng = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*[np.arange(n) for n in shape], indexing="ij"), axis=-1)
    middle = (np.array(shape) - 1) / 2
    brain = (((grid - middle) / (np.array(shape) * 0.46)) ** 2).sum(-1) < 1
    vessels = np.zeros(shape, dtype=bool)
    places = grid * np.array(spacing)
    for direction in ([1, 0, 0], [0, 1, 0.2], [0.3, 0.3, 1]):
        along = np.array(direction) / np.linalg.norm(direction)
        through = (middle + rng.uniform(-0.12, 0.12, 3) * shape) * np.array(spacing)
        offset = places - through
        vessels |= np.linalg.norm(offset - (offset @ along)[..., None] * along, axis=-1) < 0.8
    vessels &= brain
    image = (300 + 400 * vessels + rng.normal(0, 30, shape)) * brain * gain
    return image.astype(np.float32), vessels, brain


def scan_of_tubes(shape=(40, 44, 16), spacing=(0.5, 0.5, 0.7), *, seed=0, gain=1.0) -> Scan:
    image, vessels, brain = tubes(shape, spacing, seed=seed, gain=gain)
    return Scan(image=image, vessels=vessels, brain=brain, spacing=spacing, warnings=[])


def save_nifti(path: Path, data: np.ndarray, affine: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = data.astype(np.uint8) if data.dtype == bool else data
    nib.save(nib.Nifti1Image(data, affine), path)
    return path


def check_patient(patient: Patient, *, limits: Limits = LIMITS) -> dict:
    """The outcome of a patient's check, for patches of 32 pixels."""
    return check(patient, read_files(patient), patch_size=32, limits=limits)


def draw(patient: Patient):
    """The picture of a patient."""
    return draw_patient(read_files(patient))


def write_patient(root: Path, *, name="017", affine=None, shape=(40, 44, 16), seed=0, gain=1.0) -> Patient:
    """A flat-layout patient of cohort pegasus with an image and both masks; returns its paths."""
    image, vessels, brain = tubes(shape, seed=seed, gain=gain)
    affine = np.diag([0.5, 0.5, 0.7, 1]) if affine is None else affine
    return Patient(
        id=name,
        cohort="pegasus",
        split="train",
        image=save_nifti(root / f"{name}_img.nii.gz", image, affine),
        vessels=save_nifti(root / f"{name}_label.nii.gz", vessels, affine),
        brain=save_nifti(root / f"{name}_mask.nii.gz", brain, affine),
    )
