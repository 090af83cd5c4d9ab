"""One patient's scan: image and masks read, checked against each other, and prepared."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from privessel.cohort.contents import find_image_fault, find_impossible, find_mask_fault
from privessel.cohort.geometry import SAME_PLACE_VOXELS, find_unoriented, largest_shift, say_sides, spacing_of
from privessel.cohort.nifti import Stored, Volume, read_stored, reorient
from privessel.cohort.preparation import Grid, correct_bias, resample_image, resample_mask
from privessel.cohort.table import Patient
from privessel.errors import CohortError

_LARGE_BRAIN_SHARE = 0.6
# Patches are cut from axial slices; head tilts and oblique slabs stay far below this, in degrees.
_LARGE_TILT = 30.0
_ROLE_NAMES = {"image": "image", "vessels": "vessel mask", "brain": "brain mask"}

Files = dict[str, Stored | CohortError]  # of a patient, by role: image, vessels and perhaps brain


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
    def vessel_share(self) -> float:
        """The share of the brain's voxels that are vessel."""
        return int((self.vessels & self.brain).sum()) / int(self.brain.sum())

    @property
    def grid(self) -> Grid:
        """Shape and spacing of the arrays."""
        return Grid(self.image.shape, self.spacing)


def paths_by_role(patient: Patient) -> dict[str, Path]:
    """Return the files of a patient by role."""
    paths = {"image": patient.image, "vessels": patient.vessels, "brain": patient.brain}
    return {role: path for role, path in paths.items() if path is not None}


def names_by_role(patient: Patient) -> dict[str, str]:
    """Return how messages call the image, the vessel mask and the brain mask, or what stands for it."""
    names = {role: f"{_ROLE_NAMES[role]} {path}" for role, path in paths_by_role(patient).items()}
    return {"brain": f"the non-zero part of {names['image']}"} | names


def load_scan(patient: Patient, *, patch_size: int) -> Scan:
    """Read and check a patient's files, and prepare the scan as the patient's cohort asks.

    Raises CohortError as `load_native_scan` and `prepare` do.
    """
    return prepare(patient, load_native_scan(patient, patch_size=patch_size))


def load_native_scan(patient: Patient, *, patch_size: int) -> Scan:
    """Read a patient's files and build the scan. Raises CohortError as `build_native_scan` does."""
    return build_native_scan(patient, read_files(patient), patch_size=patch_size)


def read_files(patient: Patient) -> Files:
    """Read every file of a patient once; in the place of one that cannot be read stands its CohortError."""
    files: Files = {}
    for role, path in paths_by_role(patient).items():
        try:
            files[role] = read_stored(path)
        except CohortError as problem:
            files[role] = problem
    return files


def build_native_scan(patient: Patient, given: Files, *, patch_size: int) -> Scan:
    """Check and reorient a patient's files, as `read_files` has them; multiply the image by the brain mask.

    Without a brain mask the brain is where the image is not zero. Vessels outside the brain stay in the
    label, with a warning. Raises CohortError naming the patient, every faulty file and its remedy.
    """
    named = names_by_role(patient)
    files = {role: file for role, file in given.items() if isinstance(file, Stored)}
    problems = [f"{named[role]} {problem}" for role, problem in given.items() if role not in files]
    if not problems:
        problems = find_unoriented({named[role]: file.geometry.known for role, file in files.items()})
        volumes = _in_one_frame(files)
        problems = problems or _place_problems(named, volumes)
        problems += _size_problems(patient, volumes["image"], patch_size)
    for role, file in files.items():
        fault = find_image_fault(file.data) if role == "image" else find_mask_fault(file.data)
        if fault:
            problems.append(f"{named[role]} {fault}")
    _raise_all(patient, problems)

    image = volumes["image"].data.astype(np.float32)
    vessels = volumes["vessels"].data > 0.5
    brain = volumes["brain"].data > 0.5 if "brain" in volumes else image != 0
    _raise_all(patient, find_impossible(named, vessels, brain, masked="brain" in volumes))
    return Scan(
        image=image * brain,
        vessels=vessels,
        brain=brain,
        spacing=spacing_of(volumes["image"].affine),
        warnings=[
            f"{patient.who}{warning}"
            for warning in [
                *_place_warnings(named, files, volumes["image"]),
                *_brain_warnings(named, vessels, brain, masked="brain" in volumes),
            ]
        ],
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
            problem = (
                f"vessel mask {patient.vessels} loses all voxels in the brain when resampled to "
                f"{say_sides(target.spacing)} mm"
            )
            _raise_all(patient, [f"{problem}. Remedy: choose a smaller resample_mm for this cohort"])
    return scan


def restore_grid(mask: NDArray[np.bool_], scan: Scan, native: Scan) -> NDArray[np.bool_]:
    """Bring a mask on the voxels of a prepared `scan` back to those of the `native` one, inside its brain."""
    if scan.grid == native.grid:
        return mask
    return resample_mask(mask, source=scan.grid, target=native.grid) & native.brain


def _in_one_frame(files: dict[str, Stored]) -> dict[str, Volume]:
    """Bring the image to its canonical axes, and the masks to those of the image."""
    image = reorient(files["image"])
    return {"image": image} | {role: reorient(files[role], image.affine) for role in files.keys() - {"image"}}


def _place_problems(named: dict[str, str], volumes: dict[str, Volume]) -> list[str]:
    """Describe masks that do not lie on the image."""
    image = volumes["image"]
    problems = []
    for role in sorted(volumes.keys() - {"image"}):
        mask = volumes[role]
        if mask.data.shape != image.data.shape:
            problems.append(
                f"{named[role]} has shape {mask.data.shape}, {named['image']} {image.data.shape} "
                "(in RAS order). Remedy: resample the mask to the image"
            )
            continue
        shift = largest_shift(image.affine, mask.affine, image.data.shape)
        if shift > SAME_PLACE_VOXELS:
            sides = [say_sides(spacing_of(volume.affine)) for volume in (mask, image)]
            told = "" if sides[0] == sides[1] else f" (voxels of {sides[0]} mm and {sides[1]} mm)"
            problems.append(
                f"{named[role]} and {named['image']} differ in their affines: a corner lies {shift:.2f} "
                f"voxels away{told}. Remedy: if the arrays match voxel by voxel, copy the image's header to "
                "the mask; otherwise resample the mask to the image"
            )
    return problems


def _size_problems(patient: Patient, image: Volume, patch_size: int) -> list[str]:
    """Describe an image too small for a patch."""
    grid, where = Grid(image.data.shape, spacing_of(image.affine)), f"image {patient.image}"
    if patient.resample_mm is not None:
        grid, where = grid.with_spacing(patient.resample_mm), f"{where}, resampled,"
    if min(grid.shape[:2]) >= patch_size:
        return []
    return [
        f"{where} has {say_sides(grid.shape[:2])} voxels in an axial slice, smaller than a patch "
        f"of {patch_size} x {patch_size}. Remedy: choose a smaller patch size in the config"
    ]


def _place_warnings(named: dict[str, str], files: dict[str, Stored], image: Volume) -> list[str]:
    """Describe what is unusual in headers but can be used."""
    warnings = [f"{named[role]} {told}" for role in files for told in files[role].geometry.warnings]
    if not files["image"].geometry.known:
        warnings.append(
            f"{named['image']} has no orientation (qform_code and sform_code are 0), nor have its masks: "
            "left and right are a guess. Their voxels are taken to match one by one"
        )
    tilt = float(np.degrees(np.arccos(min(1.0, abs(image.affine[2, 2]) / spacing_of(image.affine)[2]))))
    if tilt > _LARGE_TILT:
        warnings.append(
            f"{named['image']} is tilted: its slices, from which patches are cut, lie {tilt:.0f} degrees "
            "from axial ones"
        )
    return warnings


def _brain_warnings(
    named: dict[str, str], vessels: NDArray[np.bool_], brain: NDArray[np.bool_], *, masked: bool
) -> list[str]:
    """Describe vessels outside the brain, and an image that seems to be of the whole head."""
    warnings, outside = [], vessels & ~brain
    if outside.any():
        warnings.append(
            f"{outside.sum() / vessels.sum():.2%} of the vessel voxels in {named['vessels']} lie outside the "
            "brain mask, where the image is 0: no model can find them"
        )
    if not masked and (share := float(brain.mean())) > _LARGE_BRAIN_SHARE:
        warnings.append(
            f"no brain mask, and {share:.0%} of {named['image']} is not zero: the skull is probably still "
            "in; give a brain mask"
        )
    return warnings


def _raise_all(patient: Patient, problems: list[str]) -> None:
    """Raise one CohortError for all problems of one patient, if there are any."""
    if problems:
        raise CohortError("\n".join(f"{patient.who}{problem}." for problem in problems))
