"""Membership inference: how well an attack tells training patches from others. It indicates a risk only.

An attack that fails shows that this attack fails, not that the model is safe. And training patients may
differ from validation patients for reasons that have nothing to do with the model. Bounds on eps come from
`audit.plan` and from the accountant. The results here are computed from training patches outside the private
mechanism: no eps covers them, so they must not leave the site.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from privessel.gan.pairs import Pairs
from privessel.limits import LEAST_PATIENTS

SCORED = 256  # pairs scored, and points compared, at a time
RESAMPLES = 2000
VALUES = 1 << 22  # numbers of resampled curves in memory at a time
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Attack:
    """How well scores tell members from others, with 95 % intervals; NaN where there are too few patients."""

    unit: str  # what is told apart: patch | patient (by the mean score of the patient's patches)
    resampled: str  # what the intervals resample: patch (as if they were independent) | patient
    members: int
    others: int
    auc: float  # chance that a member scores above another; 0.5 is guessing
    auc_low: float
    auc_high: float
    advantage: float  # largest true minus false positive rate over all thresholds
    advantage_low: float
    advantage_high: float
    advantage_chance: float  # 95 % of random memberships give less; a maximum is never 0 by chance


@torch.no_grad()
def critic_scores(critic: nn.Module, pairs: Pairs) -> NDArray[np.float32]:
    """Return the critic's scores (n,): LOGAN, white-box (Hayes et al. 2019, arXiv:1705.07663)."""
    parts = np.array_split(np.arange(len(pairs)), -(-len(pairs) // SCORED))
    return np.concatenate([critic(pairs.take(part)).cpu().numpy() for part in parts])


def as_points(images: NDArray[np.floating], labels: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return labelled patches (n, s, s) as points (n, 2 s s): images in [-1, 1], labels -1 or 1."""
    pixels = [images.reshape(len(images), -1), 2.0 * labels.reshape(len(labels), -1) - 1]
    return np.concatenate(pixels, axis=1).astype(np.float32)


def nearest_distances(
    points: NDArray[np.floating], others: NDArray[np.floating], *, neighbour: int = 1
) -> NDArray[np.float64]:
    """Return each point's (n, d) Euclidean distance to its nearest of `others` (k, d), or n-th nearest."""
    if not 1 <= neighbour <= len(others):
        raise ValueError(f"there is no neighbour {neighbour} among {len(others)} points")
    points, others = points.astype(np.float64), others.astype(np.float64)  # near squares cancel
    norms, found = np.square(others).sum(axis=1), []
    for start in range(0, len(points), SCORED):
        part = points[start : start + SCORED]
        squares = np.square(part).sum(axis=1)[:, None] + norms - 2 * part @ others.T
        found.append(np.partition(squares, neighbour - 1, axis=1)[:, neighbour - 1])
    return np.sqrt(np.maximum(np.concatenate(found), 0))


def nearest_scores(points: NDArray[np.floating], synthetic: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return minus the distance to the nearest synthetic point (n,).

    GAN-Leaks, black-box, without its calibration (Chen et al. 2020, arXiv:1909.03935).
    """
    return -nearest_distances(points, synthetic)


def density_scores(
    points: NDArray[np.floating],
    synthetic: NDArray[np.floating],
    reference: NDArray[np.floating],
    *,
    neighbours: int,
) -> NDArray[np.float64]:
    """Return, up to a factor, the log ratio (n,) of the synthetic density to the density of `reference`.

    As in DOMIAS (van Breugel et al. 2023, arXiv:2302.12580): an over-fitted model has a higher density at
    members than the population they come from. Both densities are estimated from the distance to the nearest
    point number `neighbours`. `reference` has no patient in common with `points`.
    """
    near, usual = (
        nearest_distances(points, others, neighbour=neighbours) for others in (synthetic, reference)
    )
    smallest = np.finfo(float).tiny  # at a synthetic copy the density is infinite
    return np.log(np.maximum(usual, smallest)) - np.log(np.maximum(near, smallest))


def evaluate(
    scores: NDArray[np.floating],
    *,
    member: NDArray[np.bool_],
    patients: NDArray[np.integer],
    rng: np.random.Generator,
) -> tuple[Attack, ...]:
    """Return how well scores (n,), larger for members, tell members from others.

    member (n,); patients (n,) is the patient of each patch, and no patient is on both sides. Returns three
    results: for patches with intervals over patches, for patches with intervals over patients, and for
    patients.
    """
    _check(scores, member, patients)
    owners, whose = np.unique(patients, return_inverse=True)
    inside = member[np.unique(patients, return_index=True)[1]]
    means = np.bincount(whose, scores) / np.bincount(whose)
    every, alone = np.arange(len(scores)), np.arange(len(owners))
    return (
        _attack(scores, member, every, unit="patch", resampled="patch", rng=rng),
        _attack(scores, member, whose, unit="patch", resampled="patient", rng=rng),
        _attack(means, inside, alone, unit="patient", resampled="patient", rng=rng),
    )


def roc(
    scores: NDArray[np.floating],
    *,
    member: NDArray[np.bool_],
    patients: NDArray[np.integer],
    rates: NDArray[np.floating],
    rng: np.random.Generator,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return true positive rates at false positive `rates` (k,), with a 95 % band over patients: (k,) each.

    The band holds for every point by itself. It is NaN with fewer than three patients on a side.
    """
    _check(scores, member, patients)
    whose = np.unique(patients, return_inverse=True)[1]
    order = _Order(scores, member)

    def read(false: NDArray, true: NDArray) -> NDArray:
        return np.array([np.interp(rates, *curve) for curve in zip(false, true, strict=True)])

    curve = read(*order.curves(np.ones((1, len(scores)))))[0]
    drawn = [read(*order.curves(weights)) for weights in _resample(member, whose, rng)]
    if not drawn:
        return curve, np.full(len(rates), np.nan), np.full(len(rates), np.nan)
    low, high = _interval(np.concatenate(drawn))
    return curve, low, high


class _Order:
    """Scores in descending order; thresholds lie only between different scores."""

    def __init__(self, scores: NDArray, member: NDArray[np.bool_]) -> None:
        self.order = np.argsort(-scores, kind="stable")
        self.member = member[self.order]
        self.last = np.flatnonzero(np.append(np.diff(scores[self.order]) != 0, True))

    def curves(self, weights: NDArray) -> tuple[NDArray, NDArray]:
        """Return false and true positive rates (b, thresholds + 1) of weighted samples (b, n)."""
        weights = weights[:, self.order]
        rates = []
        for side in (~self.member, self.member):
            total = np.cumsum(weights * side, axis=1)
            total = np.insert(total[:, self.last], 0, 0, axis=1)
            rates.append(total / total[:, -1:])
        return rates[0], rates[1]


def _attack(
    scores: NDArray,
    member: NDArray[np.bool_],
    whose: NDArray[np.integer],
    *,
    unit: str,
    resampled: str,
    rng: np.random.Generator,
) -> Attack:
    order = _Order(scores, member)
    ((auc, advantage),) = _measure(order.curves(np.ones((1, len(scores)))))
    drawn = [_measure(order.curves(weights)) for weights in _resample(member, whose, rng)]
    low, high = _interval(np.concatenate(drawn)) if drawn else np.full((2, 2), np.nan)
    sides = member[np.unique(whose, return_index=True)[1]]
    chance = [
        _measure(_Order(scores, rng.permutation(sides)[whose]).curves(np.ones((1, len(scores)))))[0, 1]
        for _ in range(RESAMPLES // 10)
    ]
    return Attack(
        unit=unit, resampled=resampled, members=int(member.sum()), others=int((~member).sum()),
        auc=float(auc), auc_low=float(low[0]), auc_high=float(high[0]),
        advantage=float(advantage), advantage_low=float(low[1]), advantage_high=float(high[1]),
        advantage_chance=float(np.quantile(chance, CONFIDENCE)),
    )  # fmt: skip


def _measure(curves: tuple[NDArray, NDArray]) -> NDArray[np.float64]:
    """Return the area under each of b curves and its advantage, (b, 2)."""
    false, true = curves
    return np.stack([np.trapezoid(true, false, axis=1), (true - false).max(axis=1)], axis=1)


def _resample(
    member: NDArray[np.bool_], whose: NDArray[np.integer], rng: np.random.Generator
) -> Iterator[NDArray[np.int64]]:
    """Yield how often each score counts (b, n) in resamples of its owners; members and others separately."""
    sides = member[np.unique(whose, return_index=True)[1]]
    if min(sides.sum(), (~sides).sum()) < LEAST_PATIENTS:
        return
    left = RESAMPLES
    while left:
        size = min(left, max(1, VALUES // len(member)))
        counts = np.zeros((size, len(sides)), np.int64)
        for side in (sides, ~sides):
            counts[:, side] = rng.multinomial(side.sum(), np.full(side.sum(), 1 / side.sum()), size)
        yield counts[:, whose]
        left -= size


def _interval(drawn: NDArray) -> NDArray[np.float64]:
    return np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0)


def _check(scores: NDArray, member: NDArray[np.bool_], patients: NDArray[np.integer]) -> None:
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite numbers")
    if member.all() or not member.any():
        raise ValueError("an attack is measured on members and on others, but there is only one of the two")
    both = np.intersect1d(patients[member], patients[~member])
    if len(both):
        raise ValueError(f"patients {', '.join(map(str, both))} are members and others at the same time")
