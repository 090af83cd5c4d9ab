"""Where a volume's voxels lie: what a NIfTI header says of it, in mm, and whether it contradicts itself."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import nibabel as nib
import numpy as np
from nibabel import orientations
from numpy.typing import NDArray

from privessel.errors import CohortError

# Rounding of stored affines moves a corner by thousandths of a voxel; a real shift is larger than this.
SAME_PLACE_VOXELS = 0.1
# pixdim and the affine are both float32, and some writers round pixdim to 2 or 3 digits.
_SAME_SIZE = 0.01
_UNITS = {0: ("unknown", 1.0), 1: ("metre", 1e3), 2: ("mm", 1.0), 3: ("micron", 1e-3)}
_AXES = "right-left, front-back and top-bottom"


@dataclass(frozen=True)
class Geometry:
    """What a header says of a volume's place: voxel (i, j, k) lies at `affine` x (i, j, k, 1), in mm.

    known: whether the header has an orientation at all (one of its form codes is not 0); else the affine is
    what NIfTI readers assume. unit: as the header has it. warnings: what is unusual, without names of files.
    """

    affine: NDArray[np.float64]
    known: bool
    unit: str
    warnings: tuple[str, ...]


def spacing_of(affine: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the edge lengths in mm of an affine's voxel; a rotation (oblique scan) does not change them."""
    x, y, z = np.linalg.norm(affine[:3, :3], axis=0)
    return float(x), float(y), float(z)


def say_sides(sides: Iterable[float], *, digits: int = 6, sign: str = "x") -> str:
    """Return the sides of a voxel or of an array as a sentence has them.

    >>> say_sides([0.5, 0.5, 0.7])
    '0.5 x 0.5 x 0.7'
    """
    return f" {sign} ".join(f"{side:.{digits}g}" for side in sides)


def read_geometry(header: nib.Nifti1Header, shape: tuple[int, int, int]) -> Geometry:
    """Return the geometry of a header that was read without nibabel's silent repairs.

    Lengths in metres or microns become mm. Where qform and sform are both set, sform counts, as nibabel and
    ITK have it. Raises CohortError with both numbers where voxel sizes or directions contradict each other;
    the caller names the file.
    """
    sizes = np.array(header["pixdim"][1:4], dtype=float)
    if not (np.isfinite(sizes) & (sizes > 0)).all():
        raise CohortError(
            f"has the voxel size {say_sides(sizes)} in pixdim, where each must be above 0. Remedy: write the "
            "scan's voxel size into pixdim, or export the file again"
        )
    sform, qform = header.get_sform(coded=True)[0], _read_qform(header)
    affine = sform if sform is not None else qform if qform is not None else header.get_base_affine()
    if not np.isfinite(affine).all() or np.linalg.matrix_rank(affine[:3, :3]) < 3:
        raise CohortError(
            "has an affine that cannot be inverted. Remedy: repair qform or sform of its header"
        )
    warnings = []
    if sform is not None:
        _compare_sizes(sizes, sform)
        if qform is not None:
            warnings += _compare_forms(header, sform, qform, shape)
    code = int(header["xyzt_units"]) & 7
    unit, factor = _UNITS.get(code, (f"code {code}", 1.0))
    if code not in _UNITS:
        warnings.append(f"has the unit of length {code}, which NIfTI does not define; mm is assumed")
    return Geometry(
        affine=np.diag([factor, factor, factor, 1.0]) @ affine,
        known=sform is not None or qform is not None,
        unit=unit,
        warnings=tuple(warnings),
    )


def find_axes(affine: NDArray[np.float64], frame: NDArray[np.float64] | None = None) -> NDArray:
    """Return how to reorder and flip a volume's axes into those of `frame`, as nibabel has orientations.

    frame: affine of a volume whose axes are decided already; None: the axes right, anterior, superior. Files
    of one patient are compared with each other, because a scan that is turned by 45 degrees lies as near to
    one axis of the world as to another, and rounding alone would decide for each file.
    """
    return orientations.io_orientation(affine if frame is None else np.linalg.inv(frame) @ affine)


def canonical_affine(affine: NDArray[np.float64], axes: NDArray, shape: tuple[int, ...]) -> NDArray:
    """Return the affine of a volume after its axes were reordered and flipped as `axes` says."""
    return affine @ orientations.inv_ornt_aff(axes, shape)


def largest_shift(one: NDArray[np.float64], other: NDArray[np.float64], shape: tuple[int, ...]) -> float:
    """Return the largest distance, in voxels of `one`, that a corner has between two affines."""
    corners = np.array(np.meshgrid(*[(0, side - 1) for side in shape], [1])).reshape(4, -1)
    shift = (np.linalg.inv(one) @ other @ corners - corners)[:3]
    return float(np.abs(shift).max())


def find_unoriented(known: Mapping[str, bool]) -> list[str]:
    """Describe files, by name, that lack an orientation which another file of the same patient has."""
    lacking = [name for name, has in known.items() if not has]
    having = [name for name, has in known.items() if has]
    if not having:
        return []
    return [
        f"{name} has no orientation (qform_code and sform_code are 0), but {having[0]} has one, so left "
        "and right may be swapped between them. Remedy: look at both in a viewer that shows voxel indices; "
        "if they match voxel by voxel, copy the geometry in that file's header, otherwise export the file "
        "again"
        for name in lacking
    ]


def _read_qform(header: nib.Nifti1Header) -> NDArray[np.float64] | None:
    """Return the affine of a header's quaternion, None where its code is 0."""
    if header["pixdim"][0] != -1:  # the standard takes anything else, such as 0, for 1
        header["pixdim"][0] = 1
    try:
        return header.get_qform(coded=True)[0]
    except (ValueError, nib.spatialimages.HeaderDataError) as problem:
        raise CohortError(
            f"has a qform that is no rotation ({problem}). Remedy: repair qform of its header, or export the "
            "file again"
        ) from problem


def _compare_sizes(sizes: NDArray[np.float64], sform: NDArray[np.float64]) -> None:
    """Refuse a header whose voxel sizes in pixdim and in sform differ."""
    other = np.array(spacing_of(sform))
    if (np.abs(sizes - other) > _SAME_SIZE * np.minimum(sizes, other)).any():
        raise CohortError(
            f"has the voxel size {say_sides(sizes)} in pixdim but {say_sides(other)} in sform. Remedy: find "
            "out which is right, and write it into both (nibabel: image.set_sform and image.set_qform)"
        )


def _compare_forms(
    header: nib.Nifti1Header, sform: NDArray, qform: NDArray, shape: tuple[int, int, int]
) -> list[str]:
    """Warn where qform and sform put the voxels elsewhere; refuse where they disagree on directions."""
    if not np.array_equal(find_axes(qform, sform), [[0, 1], [1, 1], [2, 1]]):
        told = {name: "".join(nib.aff2axcodes(form)) for name, form in (("qform", qform), ("sform", sform))}
        raise CohortError(
            f"has two orientations that contradict each other: {told['qform']} by qform (code "
            f"{int(header['qform_code'])}), {told['sform']} by sform (code {int(header['sform_code'])}), so "
            f"{_AXES} are in doubt. Remedy: find out which is right, and write it into both"
        )
    shift = largest_shift(sform, qform, shape)
    if shift <= SAME_PLACE_VOXELS:
        return []
    return [
        f"lies elsewhere by its qform (code {int(header['qform_code'])}) than by its sform (code "
        f"{int(header['sform_code'])}): a corner differs by {shift:.2f} voxels; sform is used"
    ]
