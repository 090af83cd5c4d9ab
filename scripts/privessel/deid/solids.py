"""Distances to simple solids, in mm, and their soft unions: what a simulated head is modelled from.

Every function takes `at`, the coordinates x, y, z of points as arrays of one shape, and returns the signed
distance of each point to a surface: negative inside. Distances to ellipsoids are first-order approximations.
The soft union is the polynomial one of Quilez ("Smooth minimum", 2013).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Points = tuple[NDArray, NDArray, NDArray]
Triple = Sequence[float]


def sphere(at: Points, centre: Triple, radius: float) -> NDArray:
    """Return the distance to a sphere."""
    x, y, z = _from(at, centre)
    return np.sqrt(x * x + y * y + z * z) - np.float32(radius)


def ellipsoid(at: Points, centre: Triple, radii: Triple) -> NDArray:
    """Return the distance to an ellipsoid along the axes, correct near its surface."""
    x, y, z = (offset / np.float32(radius) for offset, radius in zip(_from(at, centre), radii, strict=True))
    near = np.sqrt(x * x + y * y + z * z)
    a, b, c = (np.float32(1 / radius) for radius in radii)
    slope = np.sqrt((x * a) ** 2 + (y * b) ** 2 + (z * c) ** 2)
    return near * (near - 1) / np.maximum(slope, np.float32(1e-6))


def capsule(at: Points, ends: tuple[Triple, Triple], radii: tuple[float, float]) -> NDArray:
    """Return the distance to a rod between two points, whose radius changes from one end to the other."""
    start, axis = np.float32(ends[0]), np.float32(ends[1]) - np.float32(ends[0])
    x, y, z = _from(at, start)
    share = np.clip((x * axis[0] + y * axis[1] + z * axis[2]) / (axis @ axis), 0, 1)
    gaps = (x - share * axis[0], y - share * axis[1], z - share * axis[2])
    radius = np.float32(radii[0]) + np.float32(radii[1] - radii[0]) * share
    return np.sqrt(gaps[0] ** 2 + gaps[1] ** 2 + gaps[2] ** 2) - radius


def join(one: NDArray, other: NDArray, blend: float) -> NDArray:
    """Return the union of two solids, smooth over about `blend` mm where they meet."""
    share = np.clip(0.5 + (other - one) / np.float32(2 * blend), 0, 1)
    return other + (one - other) * share - np.float32(blend) * share * (1 - share)


def carve(solid: NDArray, hole: NDArray, blend: float) -> NDArray:
    """Return a solid without another one, smooth over about `blend` mm."""
    return -join(-solid, hole, blend)


def cover(distance: NDArray, voxel: float) -> NDArray:
    """Return the share of each voxel, `voxel` mm wide, that lies inside of a surface at `distance`."""
    return np.clip(0.5 - distance / np.float32(voxel), 0, 1)


def _from(at: Points, centre: Triple) -> Points:
    return tuple(axis - np.float32(c) for axis, c in zip(at, centre, strict=True))
