"""The privacy transform of the paper: a head's hull, its brain mask and its masked brain (section 3.1).

The paper calls it free of identifying information. It is not (docs/deid.md): the hull tells people apart.
`shield.py` replaces the hull by one that does not.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from privessel.deid.hull import draw_planes, fill_planes
from privessel.deid.render import SKIN
from privessel.deid.surface import find_surface
from privessel.files.arrays import write_arrays
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
        write_arrays(path, hull=self.hull, brain=self.brain, masked_brain=self.masked_brain)

    @classmethod
    def load(cls, path: Path) -> "Gamma":
        """Read what `save` has written; raises DamagedError."""
        arrays = read_arrays(path)
        with reading(path):
            return cls(**arrays)


def name_by_brains(gammas: Iterable[Path]) -> str:
    """Return a name of a person for public random numbers: a digest of the brain masks of all their scans.

    Whatever leaves must not depend on a person's id: whoever guesses ids could draw the numbers of each, and
    see in a head which of them is the person's. The brain is in the head anyway.
    """
    masks = sorted(hashlib.sha256(np.packbits(Gamma.load(path).brain)).hexdigest() for path in gammas)
    return hashlib.sha256("".join(masks).encode()).hexdigest()


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
