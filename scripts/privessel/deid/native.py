"""A T1w scan as its file stores it, on the scanner's own grid, and its brain mask on the same grid."""

from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from privessel.cohort.geometry import SAME_PLACE_VOXELS, Geometry, largest_shift
from privessel.cohort.nifti import Volume, read_stored, reorient
from privessel.errors import CohortError


@dataclass(frozen=True)
class Native:
    """A scan as stored: `stored` (x, y, z) in the file's order and type, and what its values mean."""

    stored: NDArray
    slope: float
    intercept: float
    geometry: Geometry
    header: nib.Nifti1Header

    @property
    def affine(self) -> NDArray[np.float64]:
        """Voxel -> scanner mm."""
        return self.geometry.affine

    @property
    def values(self) -> NDArray[np.float64]:
        """The intensities that the stored values stand for."""
        return self.stored * np.float64(self.slope) + self.intercept

    def as_stored(self, values: NDArray) -> NDArray:
        """Return intensities in the file's type, rounded and cut off at what the type can hold."""
        kind = self.stored.dtype
        numbers = (np.asarray(values, np.float64) - self.intercept) / self.slope
        if kind.kind in "iu":
            limits = np.iinfo(kind)
            numbers = np.clip(np.rint(numbers), limits.min, limits.max)
        return numbers.astype(kind)


def read_native(path: Path) -> Native:
    """Read a scan; raises CohortError as `cohort.nifti.read_stored`: its message follows the file's name."""
    file = read_stored(path, scaled=False)
    slope, intercept = file.header.get_slope_inter()
    return Native(
        stored=file.data,
        slope=1.0 if slope is None else slope,
        intercept=0.0 if intercept is None else intercept,
        geometry=file.geometry,
        header=file.header,
    )


def read_brain(path: Path, scan: Native) -> NDArray[np.bool_]:
    """Read the brain mask of a scan, in the scan's voxels, in whatever order the file has its axes.

    Raises CohortError, whose message follows the file's name, where it lies on another grid or is no mask.
    """
    mask: Volume = reorient(read_stored(path), scan.affine)
    if mask.data.shape != scan.stored.shape:
        raise CohortError(
            f"has the shape {mask.data.shape}, the scan {scan.stored.shape}. Remedy: make the mask on the "
            "scan's own grid"
        )
    apart = largest_shift(scan.affine, mask.affine, mask.data.shape)
    if apart > SAME_PLACE_VOXELS:
        raise CohortError(
            f"lies up to {apart:.1f} voxels away from its scan. Remedy: make the mask on the scan's own grid"
        )
    found = np.unique(mask.data)
    if len(found) > 2 or found[0] != 0:
        raise CohortError(
            f"holds {len(found)} values from {found[0]:g} to {found[-1]:g}, where a mask holds 0 and one "
            "other. Remedy: write 1 inside of the brain and 0 outside"
        )
    return mask.data != 0


def read_scan(image: str, brain: str, *, who: str) -> tuple[Native, NDArray[np.bool_]]:
    """Return a scan and its brain mask in the scan's voxels; CohortError names `who`, file and remedy."""
    path = image
    try:
        scan = read_native(Path(path))
        path = brain
        return scan, read_brain(Path(path), scan)
    except CohortError as problem:
        raise CohortError(f"{who}: {path} {problem}.") from problem
