"""What a patient's files hold: values that no image and no mask can have, and masks that cannot be right."""

import numpy as np
from numpy.typing import NDArray

# Masks written with a scale factor read as 1.0000001; a soft mask is further off.
_MASK_TOLERANCE = 1e-3


def find_impossible(
    named: dict[str, str], vessels: NDArray[np.bool_], brain: NDArray[np.bool_], *, masked: bool
) -> list[str]:
    """Describe masks that cannot be right, whatever the scan; `masked`: the patient has a brain mask."""
    vessel, place = named["vessels"], named["brain"]
    if vessels.all():
        return [f"{vessel} is 1 in every voxel. Remedy: export the vessel mask again"]
    if masked and brain.all():
        return [
            f"{place} is 1 in every voxel. Remedy: give the brain's mask; where the image is 0 outside the "
            'brain already, leave it out (`brain: ""` in the config)'
        ]
    if np.array_equal(vessels, brain):
        return [f"{vessel} is the same as {place}. Remedy: give the vessel mask as vessels"]
    inside, total, size = int((vessels & brain).sum()), int(vessels.sum()), int(brain.sum())
    if inside == 0:
        return [f"{vessel} has no voxel inside {place}. Remedy: check that both masks belong to this image"]
    if total > size:
        return [
            f"{vessel} has {total} voxels, {place} only {size}. Remedy: check whether the two are swapped, "
            "or the vessel mask is inverted (0 in vessels, 1 elsewhere)"
        ]
    return []


def find_image_fault(data: NDArray) -> str | None:
    """Describe intensities that cannot be used."""
    with np.errstate(over="ignore"):  # float64 voxels beyond float32 become infinite, and are found below
        bad = data.size - int(np.isfinite(data.astype(np.float32)).sum())
    if bad:
        return f"has {bad} NaN or infinite voxels. Remedy: replace them, by 0 if they lie outside the brain"
    if not data.any():
        return "is zero everywhere. Remedy: export the image again"
    return None


def find_mask_fault(data: NDArray) -> str | None:
    """Describe a mask that is not 0 and 1, or is empty."""
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
