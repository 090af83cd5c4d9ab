"""What figure 5 shows, from files: each person's gamma at every factor, and the heads made of it."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from privessel.deid.gamma import Gamma, name_by_brains
from privessel.deid.removal import fill_hull
from privessel.deid.scaling import measure_scaled
from privessel.deid.synthesis import make_head
from privessel.deid.trained import TrainedHeadGan
from privessel.seeds import derive


def scale_heads(
    scans: Sequence[Mapping],
    gammas: Sequence[Path],
    *,
    gans: Mapping[int, Path],
    factors: Sequence[float],
    voxel: float,
    seed: int,
) -> tuple[NDArray[np.float64], list[tuple[Gamma, NDArray]]]:
    """Return the volumes of all people (people, factors, MEASURED), and the first person's pairs.

    scans, in the order of `gammas`: `fold`, whose GAN makes the person's heads, and `known_as`, the person's
    name as trainings have it. gans: the generator of each fold; empty for hulls that are filled evenly in the
    place of heads. voxel: side in mm. The seed of a head follows from the brain. Raises PrivacyError where a
    GAN was trained on the person whose head it would make.
    """
    volumes, shown = [], []
    for scan, path in zip(scans, gammas, strict=True):
        make = _load_maker(scan, gans, derive(seed, "deid-head", name_by_brains([path]))) if gans else _fill
        measured, pairs = measure_scaled(Gamma.load(path), factors, make, voxel=voxel)
        volumes.append(measured)
        shown = shown or pairs
    return np.stack(volumes), shown


def _fill(gamma: Gamma) -> NDArray:
    return fill_hull(gamma.masked_brain, gamma.brain, gamma.hull)


def _load_maker(scan: Mapping, gans: Mapping[int, Path], seed: int) -> Callable[[Gamma], NDArray]:
    trained, person = TrainedHeadGan.load(gans[scan["fold"]]), scan["known_as"]

    def make(gamma: Gamma) -> NDArray:
        return make_head(trained, gamma, person=person, seed=seed, device=torch.device("cpu"))

    return make
