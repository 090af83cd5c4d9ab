"""Smooth random fields of unit variance, stored on a coarse grid and interpolated where they are needed."""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from privessel.phantom.frame import Frame


@dataclass(frozen=True)
class Lattice:
    """Random numbers on nodes `pitch` template mm apart; node [0, 0, 0] lies at `origin`."""

    nodes: np.ndarray
    origin: np.ndarray
    pitch: float

    def at(self, points: np.ndarray, *, order: int = 3) -> np.ndarray:
        """Return values at template points (n, 3), by cubic (order 3) or linear (order 1) interpolation."""
        where = ((np.asarray(points) - self.origin) / self.pitch).T
        return ndimage.map_coordinates(self.nodes, where, order=order, mode="grid-wrap")


@dataclass(frozen=True)
class Field:
    """A lattice interpolated along y and z, in which `slab` interpolates along x, the cheapest axis."""

    planes: np.ndarray
    below: np.ndarray
    weight: np.ndarray

    def slab(self, rows: slice) -> np.ndarray:
        """Return the values (rows, ny, nz) of some rows of voxels, float32."""
        i, w = self.below[rows], self.weight[rows, None, None]
        low = self.planes[i]
        return low + w * (self.planes[i + 1] - low)


def random_lattice(rng: np.random.Generator, frame: Frame, pitch: float) -> Lattice:
    """Return a Gaussian field over the frame and two nodes around it, correlated over about `pitch` mm."""
    size = np.asarray(frame.shape) * frame.step
    nodes = rng.standard_normal(tuple(np.ceil(size / pitch).astype(int) + 5))
    nodes = ndimage.gaussian_filter(nodes, 1.0, mode="wrap")
    return Lattice(nodes / nodes.std(), np.asarray(frame.origin) - 2 * pitch, pitch)


def random_field(rng: np.random.Generator, frame: Frame, pitch: float) -> Field:
    """Return a Gaussian field on the voxels of the frame, correlated over about `pitch` template mm."""
    return interpolate(random_lattice(rng, frame, pitch), frame)


def interpolate(source: Lattice, frame: Frame) -> Field:
    """Return a lattice linearly interpolated on the voxels of the frame."""
    places = [
        (origin + step * np.arange(n) - first) / source.pitch
        for origin, step, n, first in zip(frame.origin, frame.step, frame.shape, source.origin, strict=True)
    ]
    planes = source.nodes.astype(np.float32)
    for axis in (1, 2):
        i, w = _between(places[axis], planes.shape[axis])
        w = np.expand_dims(w, tuple(a for a in range(3) if a != axis))
        low = planes.take(i, axis)
        planes = low + w * (planes.take(i + 1, axis) - low)
    return Field(planes, *_between(places[0], planes.shape[0]))


def smoothstep(value: np.ndarray) -> np.ndarray:
    """Return 3 v^2 - 2 v^3, which rises smoothly from 0 to 1, of each `value` clipped to 0..1."""
    value = np.clip(value, 0, 1)
    return value * value * (3 - 2 * value)


def _between(places: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the lower node and the weight of the upper node for each place."""
    i = np.clip(np.floor(places).astype(int), 0, n - 2)
    return i, np.clip(places - i, 0, 1).astype(np.float32)
