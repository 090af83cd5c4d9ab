"""NIfTI files in any orientation, read into a canonical axial frame, and masks written back to theirs."""

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel import orientations
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from privessel.errors import CohortError

_UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    OverflowError,
    zlib.error,
    ImageFileError,
    HeaderDataError,
    WrapStructError,
)


@dataclass(frozen=True)
class Volume:
    """A NIfTI file's content in canonical orientation."""

    data: NDArray
    affine: NDArray[np.float64]


def read_volume(path: Path) -> Volume:
    """Read a NIfTI file (the gzip checksum is verified), drop trailing axes of 1 and reorient to RAS.

    Raises CohortError with what is wrong and the remedy; the caller names the patient and the file.
    """
    if not path.is_file():
        raise CohortError("does not exist. Remedy: correct the path template in the config, or add the file")
    try:
        raw = path.read_bytes()
        if raw[:2] == b"\x1f\x8b":
            raw = gzip.decompress(raw)
        if raw[4:7] != b"n+2" and raw[344:347] != b"n+1":
            raise ImageFileError("not a NIfTI header")
        stored = (nib.Nifti2Image if raw[4:7] == b"n+2" else nib.Nifti1Image).from_bytes(raw)
        if stored.get_data_dtype().kind not in "biuf":
            raise CohortError(
                f"holds {stored.get_data_dtype()} values. Remedy: export one grey value a voxel"
            )
        data = np.asanyarray(stored.dataobj)
    except CohortError:
        raise
    except _UNREADABLE as problem:
        raise CohortError(
            f"is empty, truncated or not NIfTI ({problem}). Remedy: export or copy the file again"
        ) from problem
    if data.ndim < 3 or any(side > 1 for side in data.shape[3:]):
        raise CohortError(
            f"has {data.ndim} dimensions {data.shape}; expected 3. Remedy: export the annotated volume"
        )
    affine = stored.affine
    if not np.isfinite(affine).all() or np.linalg.matrix_rank(affine[:3, :3]) < 3:
        raise CohortError(
            "has an affine that cannot be inverted. Remedy: repair qform or sform of its header"
        )
    orientation = orientations.io_orientation(affine)
    data = data.reshape(data.shape[:3])
    return Volume(
        data=np.ascontiguousarray(orientations.apply_orientation(data, orientation)),
        affine=affine @ orientations.inv_ornt_aff(orientation, data.shape),
    )


def load_mask(path: Path) -> NDArray[np.bool_]:
    """Read a mask that `restore` made, back to the canonical array (x, y, z); it may be empty."""
    try:
        return read_volume(path).data > 0.5
    except CohortError as problem:
        raise CohortError(f"mask {path} {problem}.") from problem


def restore(mask: NDArray[np.bool_], reference: Path) -> nib.Nifti1Image:
    """Turn a canonical mask (x, y, z) back to orientation and header of the file `reference`, as uint8."""
    original = nib.load(reference)
    stored = orientations.io_orientation(original.affine)
    canonical = orientations.axcodes2ornt("RAS")
    data = orientations.apply_orientation(
        mask.astype(np.uint8), orientations.ornt_transform(canonical, stored)
    )
    if data.shape != original.shape[:3]:
        raise ValueError(f"mask {mask.shape} does not belong to {reference} with shape {original.shape}")
    header = original.header.copy()
    header.set_data_dtype(np.uint8)
    # The image's display window would show a mask of 0 and 1 as black.
    header["cal_min"], header["cal_max"] = 0, 1
    return type(original)(data, original.affine, header)
