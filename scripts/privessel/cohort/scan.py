"""One patient's scan: image and masks read, checked against each other, and prepared."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from privessel.cohort.nifti import Volume, read_volume
from privessel.cohort.preparation import Grid, correct_bias, resample_image, resample_mask
from privessel.cohort.table import Patient
from privessel.errors import CohortError

# Rounding of stored affines moves a corner by thousandths of a voxel; a real shift is larger than this.
_SAME_PLACE_VOXELS = 0.1
# Masks written with a scale factor read as 1.0000001; a soft mask is further off.
_MASK_TOLERANCE = 1e-3
_LARGE_BRAIN_SHARE = 0.6
_ROLE_NAMES = {"image": "image", "vessels": "vessel mask", "brain": "brain mask"}


@dataclass(frozen=True)
class Scan:
    """A checked scan in canonical RAS orientation; arrays (x, y, z), an axial slice is [:, :, z].

    `image` is float32 and 0 outside the brain; `vessels` and `brain` are bool; `spacing` in mm.
    """

    image: NDArray[np.float32]
    vessels: NDArray[np.bool_]
    brain: NDArray[np.bool_]
    spacing: tuple[float, float, float]
    warnings: list[str]

    @property
    def grid(self) -> Grid:
        """Shape and spacing of the arrays."""
        return Grid(self.image.shape, self.spacing)


def paths_by_role(patient: Patient) -> dict[str, Path]:
    """Return the files of a patient by role."""
    paths = {"image": patient.image, "vessels": patient.vessels, "brain": patient.brain}
    return {role: path for role, path in paths.items() if path is not None}


def load_scan(patient: Patient, *, patch_size: int) -> Scan:
    """Read and check a patient's files, and prepare the scan as the patient's cohort asks.

    Raises CohortError as `load_native_scan` and `prepare` do.
    """
    return prepare(patient, load_native_scan(patient, patch_size=patch_size))


def load_native_scan(patient: Patient, *, patch_size: int) -> Scan:
    """Read, check and reorient a patient's files, and multiply the image by the brain mask.

    Without a brain mask the brain is where the image is not zero. Vessels outside the brain stay in the
    label, with a warning. Raises CohortError naming the patient, every faulty file and its remedy.
    """
    volumes, problems = {}, []
    for role, path in paths_by_role(patient).items():
        try:
            volumes[role] = read_volume(path)
        except CohortError as problem:
            problems.append(f"{_ROLE_NAMES[role]} {path} {problem}")
    if not problems:
        problems = _geometry_problems(patient, volumes, patch_size)
    for role in volumes:
        fault = _image_fault(volumes[role]) if role == "image" else _mask_fault(volumes[role])
        if fault:
            problems.append(f"{_ROLE_NAMES[role]} {paths_by_role(patient)[role]} {fault}")
    _raise_all(patient, problems)

    image = volumes["image"].data.astype(np.float32)
    vessels = volumes["vessels"].data > 0.5
    brain = volumes["brain"].data > 0.5 if "brain" in volumes else image != 0
    outside = int((vessels & ~brain).sum()) / int(vessels.sum())
    if outside == 1:
        _raise_all(
            patient,
            [
                f"vessel mask {patient.vessels} has no voxel inside the brain mask {patient.brain}. "
                "Remedy: check that both masks belong to this image"
            ],
        )
    return Scan(
        image=image * brain,
        vessels=vessels,
        brain=brain,
        spacing=_spacing(volumes["image"].affine),
        warnings=_warnings(patient, outside=outside, brain_share=float(brain.mean())),
    )


def prepare(patient: Patient, native: Scan) -> Scan:
    """Correct the bias field and resample, as far as the patient's cohort asks; else return `native` itself.

    Raises CohortError where no vessel is left inside the brain on the new voxels.
    """
    scan = native
    if patient.bias_correction == "n4":
        scan = replace(scan, image=correct_bias(scan.image, scan.brain, spacing=scan.spacing))
    elif patient.bias_correction != "none":
        _raise_all(patient, [f"bias_correction is '{patient.bias_correction}'. Remedy: write n4 or none"])
    if patient.resample_mm is not None:
        target = native.grid.with_spacing(patient.resample_mm)
        brain = resample_mask(scan.brain, source=native.grid, target=target)
        vessels = resample_mask(scan.vessels, source=native.grid, target=target)
        image = resample_image(scan.image, source=native.grid, target=target) * brain
        scan = replace(scan, image=image, vessels=vessels, brain=brain, spacing=target.spacing)
        if not (vessels & brain).any():
            sides = " x ".join(f"{side:g}" for side in target.spacing)
            problem = (
                f"vessel mask {patient.vessels} loses all voxels in the brain when resampled to {sides} mm"
            )
            _raise_all(patient, [f"{problem}. Remedy: choose a smaller resample_mm for this cohort"])
    return scan


def restore_grid(mask: NDArray[np.bool_], scan: Scan, native: Scan) -> NDArray[np.bool_]:
    """Bring a mask on the voxels of a prepared `scan` back to those of the `native` one, inside its brain."""
    if scan.grid == native.grid:
        return mask
    return resample_mask(mask, source=scan.grid, target=native.grid) & native.brain


def _geometry_problems(patient: Patient, volumes: Mapping[str, Volume], patch_size: int) -> list[str]:
    """Describe masks that do not lie on the image, and an image too small for a patch."""
    image = volumes["image"]
    problems = []
    for role in volumes.keys() - {"image"}:
        mask, name = volumes[role], f"{_ROLE_NAMES[role]} {paths_by_role(patient)[role]}"
        if mask.data.shape != image.data.shape:
            problems.append(
                f"{name} has shape {mask.data.shape}, image {patient.image} {image.data.shape} "
                "(in RAS order). Remedy: resample the mask to the image"
            )
        elif (shift := _largest_shift(image, mask)) > _SAME_PLACE_VOXELS:
            problems.append(
                f"{name} and image {patient.image} differ in their affines: a corner lies {shift:.2f} voxels "
                "away. Remedy: if the arrays match voxel by voxel, copy the image's header to the mask; "
                "otherwise resample the mask to the image"
            )
    grid, where = Grid(image.data.shape, _spacing(image.affine)), f"image {patient.image}"
    if patient.resample_mm is not None:
        grid, where = grid.with_spacing(patient.resample_mm), f"{where}, resampled,"
    if min(grid.shape[:2]) < patch_size:
        problems.append(
            f"{where} has {grid.shape[0]} x {grid.shape[1]} voxels in an axial slice, smaller than a patch "
            f"of {patch_size} x {patch_size}. Remedy: choose a smaller patch size in the config"
        )
    return sorted(problems)


def _largest_shift(image: Volume, mask: Volume) -> float:
    """Return the largest distance, in voxels of the image, by which the mask's affine moves a corner."""
    corners = np.array(np.meshgrid(*[(0, side - 1) for side in image.data.shape], [1])).reshape(4, -1)
    shift = (np.linalg.inv(image.affine) @ mask.affine @ corners - corners)[:3]
    return float(np.abs(shift).max())


def _image_fault(volume: Volume) -> str | None:
    """Describe intensities that cannot be used."""
    bad = volume.data.size - int(np.isfinite(volume.data).sum())
    if bad:
        return f"has {bad} NaN or infinite voxels. Remedy: replace them, by 0 if they lie outside the brain"
    if not volume.data.any():
        return "is zero everywhere. Remedy: export the image again"
    return None


def _mask_fault(volume: Volume) -> str | None:
    """Describe a mask that is not 0 and 1, or is empty."""
    data = volume.data
    ones = np.abs(data - 1.0) < _MASK_TOLERANCE if data.dtype.kind == "f" else data == 1
    zeros = np.abs(data) < _MASK_TOLERANCE if data.dtype.kind == "f" else data == 0
    if not (ones | zeros).all():
        values = np.unique(data)
        shown = ", ".join(f"{value:g}" for value in values[:6]) + (", ..." if values.size > 6 else "")
        if np.array_equal(values, [0, 255]):
            remedy = "divide the mask by 255 and save it as uint8"
        elif data.dtype.kind == "f":
            remedy = "threshold the mask, and resample masks with nearest neighbours only"
        else:
            remedy = "save a mask that is 1 in every voxel wanted and 0 elsewhere"
        return f"has values {{{shown}}}; expected {{0, 1}}. Remedy: {remedy}"
    if not ones.any():
        return "is empty. Remedy: annotate the patient, or leave the row out of participants.tsv"
    return None


def _warnings(patient: Patient, *, outside: float, brain_share: float) -> list[str]:
    """Describe what is unusual but can be used."""
    warnings = []
    if outside > 0:
        warnings.append(
            f"patient {patient.id} (cohort {patient.cohort}): {outside:.2%} of the vessel voxels in "
            f"{patient.vessels} lie outside the brain mask, where the image is 0: no model can find them"
        )
    if patient.brain is None and brain_share > _LARGE_BRAIN_SHARE:
        warnings.append(
            f"patient {patient.id} (cohort {patient.cohort}): no brain mask, and {brain_share:.0%} of "
            f"{patient.image} is not zero: the skull is probably still in; give a brain mask"
        )
    return warnings


def _spacing(affine: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the voxel's edge lengths in mm; a rotation (oblique scan) does not change them."""
    x, y, z = np.linalg.norm(affine[:3, :3], axis=0)
    return float(x), float(y), float(z)


def _raise_all(patient: Patient, problems: list[str]) -> None:
    """Raise one CohortError for all problems of one patient, if there are any."""
    if problems:
        who = f"patient {patient.id} (cohort {patient.cohort}): "
        raise CohortError("\n".join(f"{who}{problem}." for problem in problems))
