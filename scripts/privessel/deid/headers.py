"""What a header may keep: the fields on a list, and nothing that is not on it."""

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from privessel.cohort.nifti import PLACE, place_header


def build_image(
    stored: NDArray, source: nib.Nifti1Header, *, slope: float, intercept: float
) -> nib.Nifti1Image:
    """Return an image of stored values (x, y, z) whose header has the source's grid and place alone."""
    kind = nib.Nifti2Image if isinstance(source, nib.Nifti2Header) else nib.Nifti1Image
    image = kind(stored, None, place_header(source, stored))
    # With these set, nibabel writes the stored values as they are; without, it would scale them anew.
    image.header.set_slope_inter(slope, intercept)
    return image


def find_extra(header: nib.Nifti1Header) -> list[str]:
    """Return the fields of a header that are not on the list and not as a new header has them."""
    fresh = type(header)()
    allowed = {*PLACE, "sizeof_hdr", "dim", "datatype", "bitpix", "pixdim", "vox_offset", "magic"}
    allowed |= {"scl_slope", "scl_inter", "xyzt_units"}
    found = [name for name in header if name not in allowed and not np.array_equal(header[name], fresh[name])]
    if np.any(header["pixdim"][4:] != 1) or int(header["xyzt_units"]) > 7:
        found.append("pixdim of time")
    return found + (["extensions"] if len(header.extensions) else [])
