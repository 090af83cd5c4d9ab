"""Tubes on a voxel grid, with partial volume."""

from dataclasses import dataclass

import numpy as np
from scipy.special import chndtr

CHUNK = 400_000  # voxels at a time: bounds memory and changes no result, as a maximum has no order
REACH = 2.6  # point spread SDs beyond the wall at which occupancy is negligible


@dataclass(frozen=True)
class Profile:
    """Share of a voxel that is blood: `table[i, j]` for radius `radii[i]`, distance `distances[j]` (mm)."""

    table: np.ndarray
    radii: np.ndarray
    distances: np.ndarray

    def at(self, radius: np.ndarray, distance: np.ndarray) -> np.ndarray:
        """Return the occupancy, float32, for arrays of one shape in mm, by bilinear interpolation."""
        a = (radius - self.radii[0]) / (self.radii[1] - self.radii[0])
        b = distance / self.distances[1]
        a = np.clip(a, 0, len(self.radii) - 1.001).astype(np.float32)
        b = np.clip(b, 0, len(self.distances) - 1.001).astype(np.float32)
        i, j = a.astype(np.intp), b.astype(np.intp)
        a -= i
        b -= j
        flat, row = self.table.ravel(), i * len(self.distances) + j
        near = flat[row] + a * (flat[row + len(self.distances)] - flat[row])
        far = flat[row + 1] + a * (flat[row + 1 + len(self.distances)] - flat[row + 1])
        return near + b * (far - near)


def disc_profile(*, psf: float, largest: float) -> Profile:
    """Return the occupancy of long straight tubes, radii to `largest` mm; `psf`: SD of the point spread.

    A disc of radius r convolved with a 2-D Gaussian is, at distance d, P(|N(d, psf^2 I)| < r). That is the
    distribution function at (r / psf)^2 of a non-central chi-square with 2 degrees of freedom and
    non-centrality (d / psf)^2.
    """
    radii = np.linspace(0.02, largest, 160)
    distances = np.linspace(0, largest + 4 * psf, 240)
    table = chndtr((radii[:, None] / psf) ** 2, 2, (distances / psf) ** 2)
    return Profile(table.astype(np.float32), radii, distances)


@dataclass(frozen=True)
class Tubes:
    """Tubes as points of their centrelines, in mm.

    position (n, 3), radius (n,), brightness (n,), tangent (n, 3) of unit length, pitch (n,): the distance to
    the next point.
    """

    position: np.ndarray
    radius: np.ndarray
    brightness: np.ndarray
    tangent: np.ndarray
    pitch: np.ndarray


def rasterise_tubes(
    tubes: Tubes,
    *,
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    origin: np.ndarray,
    psf: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Return occupancy, and occupancy times brightness, of every voxel: two float32 (nx, ny, nz).

    spacing and psf (SD of the point spread) in mm; origin (3,): where voxel 0 lies, in mm. Where tubes
    overlap the greater value counts.
    """
    position, radius, size = tubes.position, tubes.radius, np.asarray(spacing, float)
    occupancy = np.zeros(int(np.prod(shape)), np.float32)
    signal = np.zeros_like(occupancy)
    profile = disc_profile(psf=psf, largest=max(float(radius.max()), 0.5))
    index = (position - origin) / size
    reach = np.ceil((radius + REACH * psf) * 2) / 2  # classes of half a millimetre share their neighbourhood
    for limit in np.unique(reach):
        offsets = _neighbourhood(limit, size)
        members = np.flatnonzero(reach == limit)
        count = max(1, CHUNK // len(offsets))
        for start in range(0, len(members), count):
            part = members[start : start + count]
            voxel = np.rint(index[part]).astype(np.int32)[:, None] + offsets[None]
            inside = ((voxel >= 0) & (voxel < np.asarray(shape))).all(-1)
            row, column = np.nonzero(inside)
            voxel, point = voxel[row, column], part[row]
            gap = (voxel * size + origin - position[point]).astype(np.float32)
            distance = _distance_to_segment(
                gap, tubes.tangent[point].astype(np.float32), 0.6 * tubes.pitch[point].astype(np.float32)
            )
            close = distance < limit
            point, flat = point[close], np.ravel_multi_index(tuple(voxel[close].T), shape)
            share = profile.at(radius[point], distance[close])
            np.maximum.at(occupancy, flat, share)
            np.maximum.at(signal, flat, share * tubes.brightness[point].astype(np.float32))
    return occupancy.reshape(shape), signal.reshape(shape)


def _neighbourhood(reach: float, spacing: np.ndarray) -> np.ndarray:
    """Return the offsets (m, 3) of voxels that may lie within `reach` mm of a point in the central voxel."""
    half = np.ceil(reach / spacing).astype(int)
    offsets = np.stack(np.meshgrid(*[np.arange(-h, h + 1) for h in half], indexing="ij"), -1).reshape(-1, 3)
    gap = (np.abs(offsets) - 0.5).clip(0) * spacing
    return offsets[(gap**2).sum(1) <= reach**2].astype(np.int32)


def _distance_to_segment(gap: np.ndarray, tangent: np.ndarray, half: np.ndarray) -> np.ndarray:
    """Return the distance (n,) of vectors (n, 3) from segments of half length (n,) around the origin."""
    along = gap[:, 0] * tangent[:, 0] + gap[:, 1] * tangent[:, 1] + gap[:, 2] * tangent[:, 2]
    square = gap[:, 0] ** 2 + gap[:, 1] ** 2 + gap[:, 2] ** 2
    clipped = np.clip(along, -half, half)
    return np.sqrt(np.maximum(square - clipped * (2 * along - clipped), 0))
