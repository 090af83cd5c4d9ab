"""Privacy loss distributions on a grid: as fine as the answer needs, and no finer."""

import math
import warnings
from collections.abc import Callable, Sequence

import numpy as np
from dp_accounting.pld.pld_pmf import PLDPmf
from dp_accounting.pld.privacy_loss_distribution import (
    PrivacyLossDistribution,
    _create_pld_pmf_from_monotone_privacy_loss,
)
from dp_accounting.pld.privacy_loss_mechanism import AdjacencyType, MixtureGaussianPrivacyLoss

# Fourier transforms of n composed steps are off by up to 7e-17 n in delta, either way (measured for 1e4 to
# 1e7 steps against one Gaussian mechanism): so much is taken off delta, with a margin, to keep eps an upper
# bound.
ROUNDING = 2e-16
# No grid is finer than this share of the first one, which is about a step's spread of privacy loss.
FINEST = 1e-4
# After so many grids without a finite eps the search ends: rounding has lost the tail there.
INFINITE = 4


def tight_epsilon(
    distribution: Callable[[float], PrivacyLossDistribution],
    *,
    start: float,
    steps: int,
    delta: float,
    error: float,
) -> tuple[float, float]:
    """Return eps at `delta`, and the coarsest grid that over-states it by at most about `error` (relative).

    `distribution(interval)` is the composed privacy loss on a grid of that interval, rounded pessimistically,
    so that every grid gives an upper bound. The excess falls with the square of the interval: two grids tell
    the third. `steps` are those composed by Fourier transforms; where their rounding is as large as delta, or
    loses what lies beyond eps, nothing is known and eps is infinite.
    """
    delta -= ROUNDING * steps
    coarse, fine = start, start / 3
    if delta <= 0:
        return math.inf, fine
    above, infinite = _finite_epsilon(distribution, coarse, delta), 0
    while True:
        best = _finite_epsilon(distribution, fine, delta)
        infinite += math.isinf(best)
        if math.isinf(best) and math.isfinite(above):
            # On this grid rounding has lost the tail. The eps of a coarser one is a bound all the same, and
            # the least of those in between is taken.
            if infinite >= INFINITE:
                return above, coarse
            fine = math.sqrt(coarse * fine)
            continue
        if fine < start * FINEST or infinite >= INFINITE:
            return best, fine
        if math.isinf(above):
            above, coarse, fine = best, fine, fine / 3
            continue
        curvature = max(0.0, (above - best) / (coarse**2 - fine**2))
        if curvature * fine**2 <= error * best:
            return best, fine
        wanted = 0.9 * math.sqrt(error * best / curvature)
        above, coarse, fine = best, fine, min(max(wanted, fine / 10), fine / 2)


def chance_above(
    distribution: Callable[[float], PrivacyLossDistribution],
    *,
    epsilon: float,
    interval: float,
    steps: int,
    error: float,
) -> float:
    """Return P[privacy loss > `epsilon`] in the worse direction; arguments and results of `tight_epsilon`.

    A loss that lies between two points of the grid counts at both, so everything from one point below eps on
    is counted. The grid is refined until that adds at most `error` (relative). 1 for an infinite eps,
    above which nothing is known.
    """
    if math.isinf(epsilon):
        return 1.0
    finest = interval * FINEST
    while True:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            one = distribution(interval)
        both = (one._pmf_remove, one._pmf_add)
        below, above = (max(_mass_above(pmf, loss) for pmf in both) for loss in (epsilon - interval, epsilon))
        if below - above <= error * below or interval < finest:
            return min(1.0, below + ROUNDING * steps)
        interval *= max(0.1, 0.9 * error * below / (below - above))


def _mass_above(pmf: PLDPmf, loss: float) -> float:
    dense = pmf.to_dense_pmf()
    first = math.floor(loss / dense._discretization) + 1 - dense._lower_loss
    return float(dense._probs[max(0, first) :].sum()) + dense._infinity_mass


class _Mixture(MixtureGaussianPrivacyLoss):
    """dp-accounting's mixture of Gaussians, its slowest part done for all points at once, to the same bits.

    That part inverts the privacy loss by halving a range, in a recursion that calls numpy for every point.
    """

    def _inverse_privacy_losses_with_range(
        self, privacy_losses: np.ndarray, bounds: tuple[float, float], precision: float = 1e-6
    ) -> np.ndarray:
        low, high = (np.full(len(privacy_losses), bound) for bound in bounds)
        while (wide := high - low > precision).any():
            middle = (low + high) / 2
            loss = self._losses_at(middle)
            low = np.where(wide & (privacy_losses < loss), middle, low)
            high = np.where(wide & (privacy_losses >= loss), middle, high)
        return np.floor(high / precision) * precision

    def _losses_at(self, points: np.ndarray) -> np.ndarray:
        sign = 1 if self.adjacency_type is AdjacencyType.ADD else -1
        total = np.full_like(points, -np.inf)
        for constant, sensitivity in zip(
            self._precompute_privacy_loss_constants, self.sensitivities, strict=True
        ):
            total = np.logaddexp(total, constant + sign * (sensitivity * points / self._variance))
        return -sign * total


def mixture_loss(noise: float, probabilities: Sequence[float], *, interval: float) -> PrivacyLossDistribution:
    """Return the privacy loss of Gaussian `noise` on a sensitivity of k with the k-th of `probabilities`.

    That is `from_mixture_gaussian_mechanism` of dp-accounting, to the bit.
    """
    pair = [
        _create_pld_pmf_from_monotone_privacy_loss(
            _Mixture(noise, list(range(len(probabilities))), list(probabilities), adjacency_type=way),
            value_discretization_interval=interval,
            use_connect_dots=True,
        )
        for way in (AdjacencyType.REMOVE, AdjacencyType.ADD)
    ]
    return PrivacyLossDistribution(*pair)


def self_composed(distribution: PrivacyLossDistribution, steps: int) -> PrivacyLossDistribution:
    """Return the privacy loss of `steps` independent mechanisms with the same `distribution`."""
    if steps == 1:
        return distribution
    # dp-accounting composes short distributions in Python loops, 50 times slower than dense ones by FFT.
    pair = (distribution._pmf_remove.to_dense_pmf(), distribution._pmf_add.to_dense_pmf())
    return PrivacyLossDistribution(*pair).self_compose(steps)


def _finite_epsilon(
    distribution: Callable[[float], PrivacyLossDistribution], interval: float, delta: float
) -> float:
    """Return eps on one grid; infinite, also a bound, where the grid is so coarse that it overflows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        spent = distribution(interval).get_epsilon_for_delta(delta)
    return math.inf if math.isnan(spent) else float(spent)
