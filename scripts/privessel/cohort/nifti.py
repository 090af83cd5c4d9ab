"""NIfTI files: the one reader of an image file, and masks written back to the file's own frame."""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from nibabel import orientations
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError
from nibabel.wrapstruct import WrapStructError
from numpy.typing import NDArray

from privessel.cohort.filetype import unpack_nifti
from privessel.cohort.geometry import Geometry, canonical_affine, find_axes, read_geometry
from privessel.errors import CohortError
from privessel.files.atomic import atomic_path
from privessel.files.source import read_content

UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    OverflowError,
    KeyError,
    zlib.error,
    ImageFileError,
    HeaderDataError,
    WrapStructError,
)
_START_BYTES = 65536  # of a file: whatever is compressed how often, its header is in them
# What a header says of the voxels' place. Nothing else of it goes into a file that is written: descrip,
# aux_file, intent_name, db_name and extensions are where converters leave names and times.
_FORMS = {
    "qform_code": ("quatern_b", "quatern_c", "quatern_d", "qoffset_x", "qoffset_y", "qoffset_z"),
    "sform_code": ("srow_x", "srow_y", "srow_z"),
}
PLACE = (*_FORMS, *(name for fields in _FORMS.values() for name in fields))


@dataclass(frozen=True)
class Stored:
    """A NIfTI file as stored: three axes in the file's own order, and what the header says of their place."""

    data: NDArray
    geometry: Geometry
    header: nib.Nifti1Header


@dataclass(frozen=True)
class Frame:
    """What a NIfTI file's header says: the array's shape, and the place of its voxels."""

    shape: tuple[int, int, int]
    geometry: Geometry
    header: nib.Nifti1Header


@dataclass(frozen=True)
class Volume:
    """A file's content in canonical orientation; `affine` in mm."""

    data: NDArray
    affine: NDArray[np.float64]


def read_stored(path: Path, *, scaled: bool = True) -> Stored:
    """Read a NIfTI file by its content, whatever its name says, and drop trailing axes of 1.

    scaled: whether the header's slope and intercept are applied to the stored values. Raises CohortError with
    what is wrong and the remedy; the caller names the patient and the file.
    """
    content = read_content(path)
    with _understanding():
        raw = unpack_nifti(content)
        frame = _read_frame(raw)
        image = decode_image(raw)
        data = np.asanyarray(image.dataobj if scaled else image.dataobj.get_unscaled())
        return Stored(data=data.reshape(frame.shape), geometry=frame.geometry, header=frame.header)


@contextmanager
def _understanding() -> Iterator[None]:
    """Raise CohortError with a remedy where bytes cannot be understood as a NIfTI file."""
    try:
        # Damaged headers hold numbers that no arithmetic survives; what is wrong with them is said below.
        with np.errstate(all="ignore"):
            yield
    except CohortError:
        raise
    except UNREADABLE as problem:
        raise CohortError(
            f"is empty, truncated or not NIfTI ({problem}). Remedy: export or copy the file again"
        ) from problem


def decode_image(raw: bytes) -> nib.Nifti1Image:
    """Return the image of a NIfTI file's unpacked bytes, unchecked: call `read_stored` of the file first."""
    return _kind_of(raw).from_bytes(raw)


def _kind_of(raw: bytes) -> type[nib.Nifti1Image]:
    return nib.Nifti2Image if raw[4:7] == b"n+2" else nib.Nifti1Image


def _read_frame(raw: bytes) -> Frame:
    """Read a file's header, unchecked, because nibabel repairs voxel sizes in silence."""
    kind = _kind_of(raw).header_class
    header = kind(raw[: kind.sizeof_hdr], check=False)
    _check_type(header.get_data_dtype())
    shape = header.get_data_shape()
    if len(shape) < 3 or any(side > 1 for side in shape[3:]):
        raise CohortError(
            f"has {len(shape)} dimensions {shape}; expected 3. Remedy: export one volume alone, "
            "with all its slices"
        )
    if min(shape[:3]) < 2:
        raise CohortError(
            f"has the shape {shape}: one slice is no volume. Remedy: export all slices together"
        )
    return Frame(shape=shape[:3], geometry=read_geometry(header, shape[:3]), header=header)


def reorient(stored: Stored, frame: NDArray[np.float64] | None = None) -> Volume:
    """Bring a file into the axes of `frame`, the affine of a volume that is there already; None: RAS."""
    axes = find_axes(stored.geometry.affine, frame)
    return Volume(
        data=np.ascontiguousarray(orientations.apply_orientation(stored.data, axes)),
        affine=canonical_affine(stored.geometry.affine, axes, stored.data.shape),
    )


def read_volume(path: Path) -> Volume:
    """Read a NIfTI file and reorient it to RAS; raises CohortError as `read_stored` does."""
    return reorient(read_stored(path))


def load_mask(path: Path) -> NDArray[np.bool_]:
    """Read a mask that `restore` made, back to the canonical array (x, y, z); it may be empty."""
    try:
        return read_volume(path).data > 0.5
    except CohortError as problem:
        raise CohortError(f"mask {path} {problem}.") from problem


def restore(mask: NDArray[np.bool_], reference: Path) -> nib.Nifti1Image:
    """Turn a canonical mask (x, y, z) back to the frame of the file `reference`, as uint8.

    The header gets the reference's geometry and nothing else of it: no text and no extension. Only the start
    of the reference is read.
    """
    try:
        with reference.open("rb") as file, _understanding():
            original = _read_frame(unpack_nifti(file.read(_START_BYTES), most=_START_BYTES))
    except CohortError as problem:
        raise CohortError(f"image {reference} {problem}.") from problem
    axes = find_axes(original.geometry.affine)
    transform = orientations.ornt_transform(orientations.axcodes2ornt("RAS"), axes)
    data = orientations.apply_orientation(mask.astype(np.uint8), transform)
    if data.shape != original.shape:
        raise ValueError(f"mask {mask.shape} does not belong to {reference} with shape {original.shape}")
    header = place_header(original.header, data)
    # The display window shows a mask of 0 and 1.
    header["cal_min"], header["cal_max"] = 0, 1
    kind = nib.Nifti2Image if isinstance(header, nib.Nifti2Header) else nib.Nifti1Image
    # nibabel leaves a header alone that has this affine already.
    return kind(data, header.get_best_affine(), header)


def place_header(source: nib.Nifti1Header, data: NDArray) -> nib.Nifti1Header:
    """Return a new header for `data` (x, y, z), with the grid and the place of `source` and nothing else."""
    header = type(source)()  # in the machine's own byte order
    header.set_data_shape(data.shape)
    header.set_data_dtype(data.dtype)
    for code, fields in _FORMS.items():
        # Where its code is 0, the others say nothing of the place, and could hold anything.
        for name in (code, *fields) if int(source[code]) else ():
            header[name] = source[name]
    header["pixdim"][:4] = source["pixdim"][:4]
    header["xyzt_units"] = int(source["xyzt_units"]) & 7
    return header


def write_image(path: Path, image: nib.Nifti1Image, *, level: int) -> None:
    """Write an image, gzipped at a level of compression without time and name: equal images, equal bytes."""
    with (
        atomic_path(path) as partial,
        partial.open("wb") as file,
        gzip.GzipFile("", "wb", level, file, mtime=0) as packed,
    ):
        packed.write(image.to_bytes())


def _check_type(kind: np.dtype) -> None:
    """Refuse voxels that are not one real number each."""
    if kind.kind in "biuf":
        return
    if kind.fields:
        what = f"colours ({', '.join(kind.fields)})"
    else:
        what = "complex numbers" if kind.kind == "c" else f"{kind} values"
    raise CohortError(f"holds {what}. Remedy: export one grey value a voxel")
