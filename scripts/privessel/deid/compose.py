"""The head that leaves, on the scanner's own grid: generated voxels around the stored voxels of the brain.

The output is composed from nothing: every voxel is air until something is written there, and what is written
is either the source's own stored value, inside of the brain mask, or a value of the generated head. No voxel
of the source's face can be left over, because none is ever copied.
"""

import numpy as np
from numpy.typing import NDArray

from privessel.deid.frame import Place, from_cube
from privessel.deid.native import Native


def compose(
    scan: Native,
    brain: NDArray[np.bool_],
    generated: NDArray[np.float32],
    hull: NDArray[np.bool_],
    place: Place,
) -> NDArray:
    """Return the stored values (x, y, z) of the de-identified scan, in the scan's type.

    brain: the mask on the scan's grid. generated, hull: (S, S, S) in the cube at `place`: the head in [0, 1],
    and the shielded hull, outside of which is air.
    """
    shape = scan.stored.shape
    head = from_cube(place.as_intensities(generated), place, scan.affine, shape)
    inside = fill_grid(hull, place, scan.affine, shape)
    output = np.zeros(shape, scan.stored.dtype)
    output[...] = scan.as_stored(np.zeros(1))[0]
    output[inside] = scan.as_stored(head[inside])
    output[brain] = scan.stored[brain]
    return output


def fill_grid(
    hull: NDArray[np.bool_], place: Place, affine: NDArray[np.float64], shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Return a hull (S, S, S) of the cube at `place` in voxels of a scan with `affine` and `shape`."""
    return from_cube(hull.astype(np.float32), place, affine, shape) >= 0.5


def changed_region(brain: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return the defacing mask that is written beside the output: 1 where voxels were replaced."""
    return (~brain).astype(np.uint8)
