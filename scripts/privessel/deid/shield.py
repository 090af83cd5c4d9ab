"""The shield: hulls of a head that say less than the paper's, given the brain that is kept anyway.

A hull is described by its support function minus what the brain predicts of it, along a few axes: its *code*.
Prediction and axes are fitted on public heads. What a shield does is replace the code:

- `k-same`: the mean code of at least k people with similar brains takes the place of each of theirs;
- `local-dp`: the person's own code, clipped and with Gaussian noise (`add_noise`);
- `brain`: a code drawn at random, so that the hull is a function of the brain and of public numbers alone.

One code is used for all visits of a person. Every shielded hull is `HullModel.build` of a brain mask and a
code, so nothing else of the scan can enter it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from privessel.deid.hull import fill_support, spread_directions, support
from privessel.errors import ConfigError
from privessel.files.arrays import write_arrays
from privessel.files.reading import read_arrays, reading
from privessel.privacy import grid
from privessel.privacy.keys import Stream

BRAIN_AXES = 8  # main axes of the brain's support function that predict the head's
RIDGE = 10.0  # of that prediction, voxels^2
GRID_BITS = 20  # code and noise are multiples of clip / 2^20


@dataclass(frozen=True)
class HullModel:
    """What is public about hulls: a head's support function given the brain's, and the axes of the rest.

    Support functions are in voxels of a volume with `side` voxels a side, in the directions of
    `spread_directions`. `margin`: how many voxels of scalp and skull lie around every brain at least.
    """

    side: int
    margin: float
    head_mean: NDArray[np.float64]  # (directions,)
    brain_mean: NDArray[np.float64]  # (directions,)
    brain_axes: NDArray[np.float64]  # (brain axes, directions)
    slope: NDArray[np.float64]  # (brain axes, directions)
    axes: NDArray[np.float64]  # (rank, directions)
    spread: NDArray[np.float64]  # (rank,), SD of public people along each axis

    @classmethod
    def fit(
        cls, hulls: Sequence[NDArray], brains: Sequence[NDArray], *, rank: int, margin: float
    ) -> "HullModel":
        """Fit the model to public heads, one hull and brain mask (S, S, S) each.

        Raises ConfigError where there are too few heads for `rank` axes.
        """
        if len(hulls) < 2 * rank:
            raise ConfigError(
                f"deid: {len(hulls)} public heads are too few for a shield of {rank} axes, which needs "
                f"{2 * rank}. Remedy: simulate more people in deid.public_heads, or lower deid.code.rank"
            )
        directions = spread_directions()
        head, brain = (np.stack([support(one, directions) for one in solids]) for solids in (hulls, brains))
        head_mean, brain_mean = head.mean(0), brain.mean(0)
        brain_axes = np.linalg.svd(brain - brain_mean, full_matrices=False)[2][:BRAIN_AXES]
        features = (brain - brain_mean) @ brain_axes.T
        ridge = features.T @ features + RIDGE * np.eye(len(brain_axes))
        slope = np.linalg.solve(ridge, features.T @ (head - head_mean))
        rest = head - head_mean - features @ slope
        _, sizes, axes = np.linalg.svd(rest, full_matrices=False)
        spread = np.maximum(sizes[:rank] / math.sqrt(len(hulls)), 1e-6)
        side = hulls[0].shape[0]
        return cls(side, margin, head_mean, brain_mean, brain_axes, slope, axes[:rank], spread)

    def describe_brain(self, brain: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the few numbers of a brain mask that predict its hull, (brain axes,)."""
        return (support(brain, spread_directions()) - self.brain_mean) @ self.brain_axes.T

    def encode(self, hull: NDArray[np.bool_], brain: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the code (rank,) of a hull given its brain, in SDs of public people."""
        expected = self.head_mean + self.describe_brain(brain) @ self.slope
        return (support(hull, spread_directions()) - expected) @ self.axes.T / self.spread

    def build(self, brain: NDArray[np.bool_], code: NDArray) -> NDArray[np.bool_]:
        """Return the hull (S, S, S) of a code around a brain; it holds the brain and its margin."""
        directions = spread_directions()
        own = support(brain, directions)
        values = self.head_mean + (own - self.brain_mean) @ self.brain_axes.T @ self.slope
        values = values + (code * self.spread) @ self.axes
        return fill_support(np.maximum(values, own + self.margin), directions, self.side) | brain

    def save(self, path: Path) -> None:
        """Write the model as .npz."""
        write_arrays(path, **asdict(self))

    @classmethod
    def load(cls, path: Path) -> "HullModel":
        """Read what `save` has written; raises DamagedError."""
        arrays = read_arrays(path)
        with reading(path):
            side, margin = int(arrays.pop("side")), float(arrays.pop("margin"))
            return cls(side, margin, **arrays)


@dataclass(frozen=True)
class Mechanism:
    """Local differential privacy of a code: noise on the person's own clipped code.

    `noise_multiplier` is the noise's SD over the most that one person's code can differ from another's, which
    is twice `clip` (SDs of public people, L2); `privacy.calibration.calibrate` finds it for an eps.
    """

    clip: float
    noise_multiplier: float

    def noise(self, rank: int) -> float:
        """The SD of the noise, in SDs of public people, rounding included."""
        return self.noise_multiplier * 2 * self.clip * grid.sensitivity(grid_bits=GRID_BITS, numbers=rank)


def combine_visits(codes: Sequence[NDArray]) -> NDArray[np.float64]:
    """Return one code for all visits of a person: their mean."""
    return np.mean(codes, axis=0)


def round_code(code: NDArray, *, clip: float) -> NDArray[np.float64]:
    """Return a code clipped to L2 norm `clip`, in whole numbers of the grid's spacing.

    Whatever the scan held, two of these differ by at most 2 clip 2^GRID_BITS / clip and one for each number
    in L2 norm, which `grid.sensitivity` allows for. A code that is not finite is an error, never a value.
    """
    code = np.asarray(code, np.float64)
    if not np.isfinite(code).all():
        raise ValueError("the code of a hull is finite")
    norm = float(np.linalg.norm(code))
    clipped = code * min(1.0, clip / norm) if norm > 0 else code
    return np.rint(clipped / grid.spacing(clip, grid_bits=GRID_BITS))


def add_noise(whole: NDArray, mechanism: Mechanism, stream: Stream) -> NDArray[np.float64]:
    """Return a person's noisy code, (rank,), in SDs: the one release of the mechanism.

    `whole` is `round_code` of the code. Noise and code are whole numbers on one grid, so that finite
    precision takes nothing away from the noise (`privacy/grid.py`).
    """
    spacing = grid.spacing(mechanism.clip, grid_bits=GRID_BITS)
    scale = mechanism.noise(len(whole)) / spacing
    noise = stream.whole_normal("hull", 0, len(whole), scale=scale)
    return (whole + noise) * spacing


def make_plausible(noisy: NDArray, mechanism: Mechanism, stream: Stream) -> NDArray[np.float64]:
    """Return a code as likely as a public person's, given the noisy one: post-processing, free for privacy.

    With codes spread normally with SD 1 and noise of SD s, the best guess of a code is 1 / (1 + s^2) of the
    noisy one, and what is missing of the spread is drawn.
    """
    share = 1 / (1 + mechanism.noise(len(noisy)) ** 2)
    return share * noisy + math.sqrt(1 - share) * stream.normal("hull spread", 0, len(noisy)).astype(float)


def draw_code(rank: int, stream: Stream) -> NDArray[np.float64]:
    """Return a code that is drawn from public people's spread, whatever the scan: `brain`."""
    return stream.normal("hull of anyone", 0, rank).astype(float)


def share_codes(
    codes: Mapping[str, NDArray], brains: Mapping[str, NDArray], *, k: int, random: np.random.Generator
) -> tuple[dict[str, NDArray], dict[str, int]]:
    """Return each person's shared code, the mean of a group of at least `k` people, and the groups' numbers.

    brains: what the model says of each person's brain, by which groups are formed; codes are not looked at.
    Raises ConfigError where there are fewer than k people.
    """
    if len(codes) < k:
        raise ConfigError(
            f"deid.hulls k-same-{k}: {len(codes)} people are fewer than k = {k}. Remedy: take a lower "
            "k, which weakens what is promised, or local-dp or brain, which need no other people"
        )
    # In the order of brains, because groups show in what leaves, and ids must not.
    ordered = sorted(codes, key=lambda name: tuple(brains[name]))
    left = [ordered[place] for place in random.permutation(len(codes))]
    shared, groups = {}, {}
    while left:
        first, number = left[0], len(set(groups.values()))
        near = sorted(left, key=lambda name: float(np.sum((brains[name] - brains[first]) ** 2)))
        group = near[:k] if len(left) >= 2 * k else left
        mean = np.mean([codes[name] for name in sorted(group)], axis=0)
        shared |= dict.fromkeys(group, mean)
        groups |= dict.fromkeys(group, number)
        left = [name for name in left if name not in groups]
    return shared, groups
