"""Renyi accounting: a cross-check of the valid eps, and the eps that a budget needs for adaptive choices."""

import math
import warnings
from collections.abc import Iterable
from functools import lru_cache

import dp_accounting
import numpy as np
from dp_accounting.rdp import RdpAccountant, compute_epsilon

from privessel.privacy.accounting import Charge, merged, pure_sum, require_usable_delta

# The orders of `adaptive_epsilon`: few, because each gets its share of delta. From eps about 30 (order 2)
# to 0.5 (order 40) they cost 14 % more than the best order alone would.
FILTER_ORDERS = (2, 3, 4, 6, 10, 20, 40)
# 4 % apart from 1.003 (the best order near eps 100) to 500 (near eps 0.1).
RDP_ORDERS = [1 + 0.003 * 1.04**n for n in range(307)]


def epsilon_rdp(*, noise_multiplier: float | None, sampling_rate: float, steps: int, delta: float) -> float:
    """Return eps by Renyi accounting (dp-accounting): valid too, and never below `epsilon`; a cross-check."""
    require_usable_delta(delta)
    charge = Charge(noise_multiplier, sampling_rate, steps)
    if not charge.steps or not charge.protected:
        return math.inf if charge.steps else 0.0
    return _renyi(float(noise_multiplier), float(sampling_rate), int(steps), delta)


def adaptive_epsilon(charges: Iterable[Charge], *, delta: float) -> float:
    """Return the least budget at `delta` that allows `charges`, however the later ones were chosen.

    `composed_epsilon` holds for noise, rates and steps that were fixed before the first step. Here they may
    follow from earlier results, as long as a budget was fixed and every run was checked against it before its
    first step: a Renyi filter (Feldman and Zrnic 2021, 'Individual privacy accounting via a Renyi filter',
    theorem 4.3) for each of FILTER_ORDERS with an equal share of `delta`. The charges pass while one of the
    filters lets them pass; the proof is in docs/mechanism.md. Where all charges have a pure eps, their sum is
    one more filter, which needs no share of `delta`. Infinite without noise.
    """
    require_usable_delta(delta)
    taken = [charge for charge in charges if charge.steps]
    if any(not charge.protected for charge in taken):
        return math.inf
    if not taken:
        return 0.0
    pure = pure_sum(merged(taken))
    if pure is not None:
        return pure
    # The accountant's numbers overflow for next to no noise, which protects nobody.
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            found = _filtered(taken, delta)
    except ArithmeticError:
        return math.inf
    return found if found > 0 and math.isfinite(found) else math.inf


@lru_cache(4096)
def _renyi(noise_multiplier: float, sampling_rate: float, steps: int, delta: float) -> float:
    accountant = RdpAccountant(RDP_ORDERS)
    gaussian = dp_accounting.GaussianDpEvent(noise_multiplier)
    accountant.compose(dp_accounting.PoissonSampledDpEvent(sampling_rate, gaussian), steps)
    return float(accountant.get_epsilon(delta))


def renyi_of_pure(epsilon: float, order: float) -> float:
    """Return the most that a mechanism of pure eps can have as Renyi divergence: that of randomised response.

    It answers truly with probability p = e^eps / (1 + e^eps); the divergence of order a is then
    log(p^a (1-p)^(1-a) + (1-p)^a p^(1-a)) / (a - 1), at most eps and about a eps^2 / 2 for a small one.
    """
    true, untrue = -math.log1p(math.exp(-epsilon)), -math.log1p(math.exp(epsilon))
    terms = [order * true + (1 - order) * untrue, order * untrue + (1 - order) * true]
    return float(np.logaddexp(*terms)) / (order - 1)


def _filtered(charges: Iterable[Charge], delta: float) -> float:
    orders = [float(order) for order in FILTER_ORDERS]
    accountant, pure = RdpAccountant(orders), np.zeros(len(orders))
    for charge in charges:
        if charge.pure_epsilon:
            pure += [charge.steps * renyi_of_pure(charge.pure_epsilon, order) for order in orders]
            continue
        gaussian = dp_accounting.GaussianDpEvent(float(charge.noise_multiplier))
        step = dp_accounting.PoissonSampledDpEvent(float(charge.sampling_rate), gaussian)
        accountant.compose(step, int(charge.steps))
    return float(compute_epsilon(orders, accountant._rdp + pure, delta / len(FILTER_ORDERS))[0])
