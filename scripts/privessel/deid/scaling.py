"""The paper's figure 5: heads from a privacy transform that is made larger or smaller before it is used."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

from privessel.deid.gamma import Gamma
from privessel.deid.tissue import extract_brain

MEASURED = ("brain mask", "hull", "head", "extracted brain")
_HEAD = 0.15  # grey value from which on a voxel is head, where white matter is about 0.85


def resized_side(factor: float, side: int) -> int:
    """Return the voxels a side of a cube of `side` voxels after scaling, rounded down as in the paper."""
    return int(np.floor(factor * side + 1e-9))


def scale_gamma(gamma: Gamma, factor: float) -> Gamma:
    """Return a gamma (S, S, S) made larger or smaller by a factor, in a volume of the same shape.

    All three volumes are interpolated linearly to `resized_side` voxels a side, then cut around the middle
    or padded evenly, as in the paper. Binary volumes are 1 from a share of 0.5 on, and the brain's grey
    values are interpolated among brain voxels only, as in the common frame.
    """
    side = gamma.hull.shape[0]
    hull, brain, inside = (
        _resize(volume.astype(np.float32), resized_side(factor, side), side)
        for volume in (gamma.hull, gamma.brain, gamma.masked_brain)
    )
    kept = brain >= 0.5
    values = np.where(kept, np.clip(inside / np.maximum(brain, 0.5), 0, 1), 0).astype(np.float32)
    return Gamma((hull >= 0.5) | kept, kept, values)


def measure_scaled(
    gamma: Gamma, factors: Sequence[float], make: Callable[[Gamma], NDArray], *, voxel: float
) -> tuple[NDArray[np.float64], list[tuple[Gamma, NDArray]]]:
    """Return volumes in mL (factors, MEASURED), and each scaled gamma with the head that `make` makes of it.

    voxel: side in mm. `extracted brain` is what a segmenter finds that is given the head alone; 0 where it
    finds none.
    """
    scaled = [scale_gamma(gamma, factor) for factor in factors]
    pairs = [(one, make(one)) for one in scaled]
    counts = [
        [one.brain.sum(), one.hull.sum(), (head > _HEAD).sum(), extract_brain(head, voxel).sum()]
        for one, head in pairs
    ]
    return np.array(counts, float) * voxel**3 / 1000, pairs


def _resize(volume: NDArray[np.float32], size: int, side: int) -> NDArray[np.float32]:
    """Return a cube at `size` voxels a side, cut around its middle or padded evenly to `side`."""
    resized = zoom(volume, size / len(volume), order=1, mode="nearest", grid_mode=True)
    before = abs(side - size) // 2
    if size >= side:
        return resized[(slice(before, before + side),) * 3]
    return np.pad(resized, [(before, side - size - before)] * 3)
