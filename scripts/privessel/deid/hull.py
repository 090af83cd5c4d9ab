"""The convex hull of a head: as the paper draws it, and as a fixed list of numbers, its support function.

The support function of a solid in a direction n is the largest n . x over its points x: how far a plane that
faces n can be pushed before it leaves the solid. In fixed public directions it describes a hull by a vector
of one length for everybody, which can be averaged, compared and made noisy.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

from privessel.errors import CohortError

DIRECTIONS = 128
_TOUCHING = 1e-6  # voxels: a plane through a voxel's centre keeps that voxel


def draw_planes(surface: NDArray, random: np.random.Generator, *, planes: int) -> NDArray[np.float64]:
    """Return random facets of the hull of a sampled surface, (planes, 4): unit normal and offset.

    surface: probabilities (S, S, S), from which each voxel is drawn on its own. A point x, in voxels, is
    inside of a plane where normal . x + offset <= 0. Raises CohortError where fewer voxels are drawn than a
    solid needs.
    """
    points = np.argwhere(random.random(surface.shape) < surface)
    try:
        facets = ConvexHull(points).equations
    except (QhullError, ValueError) as problem:
        raise CohortError(
            f"has no surface to draw a hull around ({len(points)} voxels were found). Remedy: lower "
            "deid.threshold, or look at the scan, whose head must be brighter than that"
        ) from problem
    return facets[random.choice(len(facets), min(planes, len(facets)), replace=False)]


def fill_planes(planes: NDArray, side: int) -> NDArray[np.bool_]:
    """Return the voxels (side, side, side) whose centres are inside of all planes (n, 4)."""
    axis = np.arange(side, dtype=np.float64)
    inside = np.ones((side,) * 3, bool)
    for a, b, c, offset in planes:
        plane = a * axis[:, None, None] + b * axis[None, :, None] + (c * axis + offset)[None, None, :]
        inside &= plane <= _TOUCHING
    return inside


def spread_directions(n: int = DIRECTIONS) -> NDArray[np.float64]:
    """Return `n` public unit vectors (n, 3), spread evenly over the sphere by the golden angle."""
    steps = np.arange(n) + 0.5
    polar, around = np.arccos(1 - 2 * steps / n), np.pi * (1 + 5**0.5) * steps
    return np.stack([np.cos(around) * np.sin(polar), np.sin(around) * np.sin(polar), np.cos(polar)], 1)


def support(solid: NDArray[np.bool_], directions: NDArray) -> NDArray[np.float64]:
    """Return the support function of a binary volume about the volume's centre, in voxels, (directions,).

    Raises CohortError where the volume is empty.
    """
    points = np.argwhere(_rim(solid)) - (np.array(solid.shape) - 1) / 2
    if not len(points):
        raise CohortError("has an empty mask where a solid is needed. Remedy: look at the brain mask")
    return (points @ directions.T).max(0)


def fill_support(values: NDArray, directions: NDArray, side: int) -> NDArray[np.bool_]:
    """Return the largest convex solid (side, side, side) with such a support function, or a smaller one."""
    offsets = -values - directions @ np.full(3, (side - 1) / 2)
    return fill_planes(np.concatenate([directions, offsets[:, None]], 1), side)


def _rim(solid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the first and last voxel of every line along x; no other voxel is extreme in any direction."""
    rim = np.zeros_like(solid)
    any_there = solid.any(0)
    last = solid.shape[0] - 1 - solid[::-1].argmax(0)
    for nearest in (solid.argmax(0), last):
        np.put_along_axis(rim, nearest[None], any_there[None] | np.take_along_axis(rim, nearest[None], 0), 0)
    return rim
