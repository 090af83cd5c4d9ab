"""The privacy transform of the paper: a head's hull, its brain mask and its masked brain (section 3.1).

The paper calls it free of identifying information. It is not (docs/deid.md): the hull tells people apart.
`shield.py` replaces the hull by one that does not.
"""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from privessel.deid.hull import draw_planes, fill_planes
from privessel.deid.render import SKIN
from privessel.deid.surface import find_surface
from privessel.files.atomic import atomic_path
from privessel.files.reading import read_arrays, reading


@dataclass(frozen=True)
class Gamma:
    """What a generator sees of a scan, each (S, S, S): `hull` and `brain` bool, `masked_brain` float32."""

    hull: NDArray[np.bool_]
    brain: NDArray[np.bool_]
    masked_brain: NDArray[np.float32]

    def __post_init__(self) -> None:
        if not self.hull.shape == self.brain.shape == self.masked_brain.shape:
            raise ValueError("hull, brain and masked brain have one shape")

    def with_hull(self, hull: NDArray[np.bool_]) -> "Gamma":
        """Return the same brain in another hull; a hull always holds the brain."""
        return replace(self, hull=hull | self.brain)

    def save(self, path: Path) -> None:
        """Write the three arrays as .npz."""
        with atomic_path(path) as partial, partial.open("wb") as file:
            np.savez_compressed(file, hull=self.hull, brain=self.brain, masked_brain=self.masked_brain)

    @classmethod
    def load(cls, path: Path) -> "Gamma":
        """Read what `save` has written; raises DamagedError."""
        arrays = read_arrays(path)
        with reading(path):
            return cls(**arrays)


def transform(
    image: NDArray,
    brain: NDArray[np.bool_],
    random: np.random.Generator,
    *,
    rotations: int,
    planes: int,
    level: float = SKIN,
) -> Gamma:
    """Return the paper's privacy transform of an image (S, S, S) with its brain mask.

    Raises CohortError where no hull can be drawn.
    """
    surface = find_surface(image, random, rotations=rotations, level=level)
    hull = fill_planes(draw_planes(surface, random, planes=planes), image.shape[0])
    return Gamma(hull | brain, brain, np.where(brain, image, 0).astype(np.float32))


def pool(volume: NDArray, times: int = 2) -> NDArray[np.float32]:
    """Return the mean of every block of `times` x `times` x `times` voxels."""
    x, y, z = (side // times for side in volume.shape)
    blocks = np.asarray(volume, np.float32)[: x * times, : y * times, : z * times]
    return blocks.reshape(x, times, y, times, z, times).mean((1, 3, 5))


def pool_binary(volume: NDArray[np.bool_], random: np.random.Generator, times: int = 2) -> NDArray[np.bool_]:
    """Return a binary volume pooled by Bernoulli draws: a block of share p is 1 with probability p.

    The expected share of ones stays, and the result is binary, which plain averaging would not give (section
    3.2, 'Resampling blocks').
    """
    shares = pool(volume, times)
    return random.random(shares.shape) < shares


def make_pyramid(gamma: Gamma, random: np.random.Generator, *, smallest: int) -> list[Gamma]:
    """Return `gamma` at every scale, halved from its own side down to `smallest`, the largest first.

    Each scale is pooled from the one above it. Raises ValueError where halving does not reach `smallest`.
    """
    scales = [gamma]
    while scales[-1].hull.shape[0] > smallest:
        last = scales[-1]
        if last.hull.shape[0] % 2:
            raise ValueError(f"a side of {gamma.hull.shape[0]} cannot be halved down to {smallest}")
        hull, brain = pool_binary(last.hull, random), pool_binary(last.brain, random)
        scales.append(Gamma(hull, brain, pool(last.masked_brain)))
    if scales[-1].hull.shape[0] != smallest:
        raise ValueError(f"a side of {gamma.hull.shape[0]} cannot be halved down to {smallest}")
    return scales
