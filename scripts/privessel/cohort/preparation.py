"""What a cohort may ask for before its scans are used: another voxel size, and an even brightness (N4).

Both are off unless the config asks (`cohorts.<name>.resample_mm`, `bias_correction`). Arrays are (x, y, z) in
RAS order and spacings in mm; an oblique scan keeps its own axes, so no rotation takes part.
"""

import math
from dataclasses import dataclass

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from privessel.cohort.itk import one_thread, to_array, to_image

# The bias field is smooth over centimetres, so N4 estimates it on voxels of about this edge (mm).
_N4_EDGE_MM = 2.0
# A grid of another spacing covers the scan; this share of a voxel may be left over by rounded spacings.
_ROUNDING_VOXELS = 0.01
# Halves are common (0.7 mm to 0.35 mm); rounded a little down, they are in whatever the last digit says.
_HALF = 0.5 - 1e-3


@dataclass(frozen=True)
class Grid:
    """Shape and spacing (mm) of a scan's array; all grids of one scan have the same centre."""

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]

    def with_spacing(self, spacing: tuple[float, float, float]) -> "Grid":
        """Return the smallest grid of another spacing that covers this one.

        >>> Grid((312, 384, 127), (0.5, 0.5, 0.7)).with_spacing((0.6, 0.6, 0.6)).shape
        (260, 320, 149)
        """
        sides = zip(self.shape, self.spacing, spacing, strict=True)
        shape = tuple(max(1, math.ceil(n * old / new - _ROUNDING_VOXELS)) for n, old, new in sides)
        return Grid(shape, tuple(float(side) for side in spacing))


def resample_image(image: NDArray[np.float32], *, source: Grid, target: Grid) -> NDArray[np.float32]:
    """Interpolate an image by cubic B-splines, as nnU-Net does, within its own range of intensities.

    Without that limit the splines overshoot at the edge of the brain, where the image falls to 0.
    """
    resampled = _resample(image, source=source, target=target, interpolator=SimpleITK.sitkBSpline)
    return np.clip(resampled, image.min(), image.max())


def resample_mask(mask: NDArray[np.bool_], *, source: Grid, target: Grid) -> NDArray[np.bool_]:
    """Interpolate a mask linearly, as nnU-Net does; a voxel with at least half of the mask belongs to it.

    Nearest neighbours keep less of thin vessels on larger voxels, and make their edges rough.
    """
    soft = mask.astype(np.float32)
    return _resample(soft, source=source, target=target, interpolator=SimpleITK.sitkLinear) >= _HALF


def correct_bias(
    image: NDArray[np.float32], brain: NDArray[np.bool_], *, spacing: tuple[float, float, float]
) -> NDArray[np.float32]:
    """Divide an image by its bias field, estimated inside the brain by N4 (Tustison et al. 2010)."""
    return image / np.exp(estimate_log_bias(image, brain, spacing=spacing, edge_mm=_N4_EDGE_MM)).astype(
        np.float32
    )


def estimate_log_bias(
    image: NDArray[np.float32],
    brain: NDArray[np.bool_],
    *,
    spacing: tuple[float, float, float],
    edge_mm: float,
) -> NDArray[np.float32]:
    """Return the logarithm of an image's bias field (x, y, z), which is multiplicative and smooth.

    edge_mm: about how wide the voxels are that N4 looks at; where they are finer, it leaves some out.
    N4 works with logarithms, so voxels of 0 or less take no part in the estimate; nor does any outside of the
    brain. The result is the same on every run, because one thread computes it.
    """
    whole = to_image(image, spacing)
    inside = to_image(brain & (image > 0), spacing)
    shrink = [max(1, round(edge_mm / side)) for side in spacing]
    n4 = SimpleITK.N4BiasFieldCorrectionImageFilter()
    with one_thread():
        n4.Execute(SimpleITK.Shrink(whole, shrink), SimpleITK.Shrink(inside, shrink))
        return to_array(n4.GetLogBiasFieldAsImage(whole))


def _resample(array: NDArray[np.float32], *, source: Grid, target: Grid, interpolator: int) -> NDArray:
    """Interpolate at the voxels of `target`; beyond the array its nearest voxel counts."""
    sides = zip(source.shape, source.spacing, target.shape, target.spacing, strict=True)
    corner = [((n - 1) * old - (m - 1) * new) / 2 for n, old, m, new in sides]
    resampler = SimpleITK.ResampleImageFilter()
    resampler.SetSize([int(side) for side in target.shape])
    resampler.SetOutputSpacing([float(side) for side in target.spacing])
    resampler.SetOutputOrigin(corner)
    resampler.SetInterpolator(interpolator)
    resampler.UseNearestNeighborExtrapolatorOn()
    with one_thread():
        return to_array(resampler.Execute(to_image(array, source.spacing)))
