"""Bias field and noise of a scan, taken out in such a way that the brain's values depend on the brain alone.

A correction that looked at the whole head would carry the face into the brain, and into the scale of grey
values. So N4 is given the brain and nothing else, and its field is continued to the rest of the head by the
value at the nearest voxel of the brain, which has no step at the brain's rim. Noise is taken out twice: in
the brain, whose own values are continued beyond its rim, and in the whole scan, of which only what lies
outside of the brain is used.
"""

from dataclasses import dataclass

import numpy as np
import SimpleITK
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, find_objects

from privessel.cohort.itk import one_thread, to_array, to_image
from privessel.cohort.preparation import estimate_log_bias

# The largest at which ITK's explicit scheme is stable in three dimensions, for voxels of side 1.
_TIME_STEP = 0.0625
_EDGE_MM = 4.0  # of the voxels N4 looks at, as is usual for heads


@dataclass(frozen=True)
class Cleaned:
    """A scan whose intensities (x, y, z) were corrected, and the bias field they were divided by.

    bias: (x, y, z) float32, with a geometric mean of 1 in the brain; (1, 1, 1) where there is no correction.
    """

    values: NDArray
    bias: NDArray[np.float32]


def clean(
    values: NDArray,
    brain: NDArray[np.bool_],
    spacing: tuple[float, float, float],
    *,
    bias_field: bool,
    denoising: int,
) -> Cleaned:
    """Correct a scan's intensities (x, y, z); `spacing` in mm, `denoising` in iterations.

    Inside of the brain the result, and the field everywhere, are functions of the brain's mask and values.
    """
    bias = np.ones((1, 1, 1), np.float32)
    if not bias_field and not denoising:
        return Cleaned(values, bias)
    nearest = _find_nearest(brain, spacing)
    if bias_field:
        bias = estimate_bias(values, brain, nearest, spacing)
        values = values / bias
    if denoising:
        inside = smooth(np.where(brain, values, 0)[nearest], denoising)
        values = np.where(brain, inside, smooth(values, denoising))
    return Cleaned(values, bias)


def estimate_bias(
    values: NDArray,
    brain: NDArray[np.bool_],
    nearest: tuple[NDArray, ...],
    spacing: tuple[float, float, float],
) -> NDArray[np.float32]:
    """Return the bias field (x, y, z), estimated in the brain, elsewhere from its `nearest` voxel."""
    box = find_objects(brain.astype(np.uint8))[0]  # N4's time and its splines go to the brain alone
    masked = np.where(brain, values, 0)[box].astype(np.float32)
    logarithm = np.zeros(brain.shape, np.float32)
    logarithm[box] = estimate_log_bias(masked, brain[box], spacing=spacing, edge_mm=_EDGE_MM)
    return np.exp(logarithm - logarithm[brain].mean())[nearest].astype(np.float32)


def smooth(values: NDArray, iterations: int) -> NDArray[np.float32]:
    """Return intensities (x, y, z) after curvature flow (Sethian 1996), which keeps edges.

    Lengths count in voxels, because noise does.
    """
    with one_thread():
        image = to_image(values.astype(np.float32), (1.0, 1.0, 1.0))
        return to_array(SimpleITK.CurvatureFlow(image, timeStep=_TIME_STEP, numberOfIterations=iterations))


def _find_nearest(brain: NDArray[np.bool_], spacing: tuple[float, float, float]) -> tuple[NDArray, ...]:
    """Return the index, an array an axis, of the voxel of the brain that is nearest to each voxel."""
    return tuple(
        distance_transform_edt(~brain, sampling=spacing, return_distances=False, return_indices=True)
    )
