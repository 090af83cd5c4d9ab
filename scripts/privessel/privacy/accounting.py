"""What a run of the mechanism guarantees: pure functions of its noise, sampling and steps.

The mechanism: every step takes a fresh Poisson sample of the units (rate q), clips each unit's gradient, and
adds Gaussian noise to the sum. Its standard deviation is `noise_multiplier` times what one unit can change in
the sum (`grid.sensitivity`). Neighbours differ in one unit, which one of them replaces by an empty one whose
gradient is zero ('zero-out'), in either direction. The number of units stays, so it and the sampling rate are
public, as steps are. The numbers are those of a unit that is added or removed at the same sampling rate.
"""

import math
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import dp_accounting
from dp_accounting.pld import privacy_loss_distribution
from dp_accounting.pld.privacy_loss_distribution import PrivacyLossDistribution
from dp_accounting.rdp import RdpAccountant
from scipy.optimize import brentq

from privessel.errors import PrivacyError
from privessel.privacy.losses import chance_above, self_composed, tight_epsilon

# eps is over-stated by at most about this share: the grid of the privacy loss is refined until it is.
RELATIVE_ERROR = 2e-3
CHANCE_ERROR = 3e-3  # of P[loss > eps], which is printed with two digits
# Far below any use; the accountant's rounding (losses.ROUNDING a step) comes near it at 500,000 steps.
SMALLEST_DELTA = 1e-10
# Orders of Opacus 0.14, which the published code used.
PUBLISHED_ORDERS = [*(1 + x / 10 for x in range(1, 100)), *range(12, 64)]
# The orders of `adaptive_epsilon`: few, because each gets its share of delta. From eps about 30 (order 2)
# to 0.5 (order 40) they cost 14 % more than the best order alone would.
FILTER_ORDERS = (2, 3, 4, 6, 10, 20, 40)
# 4 % apart from 1.003 (the best order near eps 100) to 500 (near eps 0.1).
RDP_ORDERS = [1 + 0.003 * 1.04**n for n in range(307)]

Triples = tuple[tuple[float, float, int], ...]  # noise multiplier, sampling rate and steps of each mechanism


@dataclass(frozen=True, order=True)
class Charge:
    """Steps of one Poisson-sampled Gaussian mechanism; `noise_multiplier` None: no noise, no protection."""

    noise_multiplier: float | None
    sampling_rate: float
    steps: int

    def __post_init__(self) -> None:
        if self.noise_multiplier is not None and not self.noise_multiplier > 0:
            raise ValueError(
                f"a noise multiplier is positive, or null for no noise, not {self.noise_multiplier}"
            )
        if not 0 < self.sampling_rate <= 1:
            raise ValueError(f"a sampling rate is above 0 and at most 1, not {self.sampling_rate}")
        if self.steps < 0 or self.steps != int(self.steps):
            raise ValueError(f"steps are a whole number from 0, not {self.steps}")

    @property
    def protected(self) -> bool:
        """Whether there is noise: `inf`, the paper's name for none, protects as little as None does."""
        return self.noise_multiplier is not None and math.isfinite(self.noise_multiplier)


def epsilon(*, noise_multiplier: float | None, sampling_rate: float, steps: int, delta: float) -> float:
    """Return the valid eps at `delta`, by privacy loss distributions; infinite without noise.

    An upper bound, over-stated by about RELATIVE_ERROR at most; both directions are covered.
    """
    return composed_epsilon([Charge(noise_multiplier, sampling_rate, steps)], delta=delta)


def composed_epsilon(charges: Iterable[Charge], *, delta: float) -> float:
    """Return the valid eps of all `charges` together on one unit that took part in each of them.

    Later steps may depend on the outputs of earlier ones, but noise, rates and the number of steps must have
    been fixed beforehand; see `adaptive_epsilon` where they were not.
    """
    _check_delta(delta)
    taken = merged(charges)
    return math.inf if taken is None else _composed(taken, delta)[0]


def loss_above_epsilon(charges: Iterable[Charge], *, delta: float) -> float:
    """Return P[privacy loss > eps] at the `composed_epsilon` of `delta`, in the worse direction.

    The privacy loss is the logarithm of how much likelier an outcome is with the unit than without it. Delta
    is not this probability but less: an outcome whose loss is above eps counts in delta only by the part of
    its probability that e^eps times the other one does not cover. 1 where eps is infinite.
    """
    _check_delta(delta)
    taken = merged(charges)
    return 1.0 if taken is None else _above(taken, delta)


def merged(charges: Iterable[Charge]) -> tuple[tuple[float, float, int], ...] | None:
    """Return (noise multiplier, sampling rate, steps), each kind once; None where steps have no noise."""
    taken = [charge for charge in charges if charge.steps]
    if any(not charge.protected for charge in taken):
        return None
    found: dict[tuple[float, float], int] = {}
    for charge in taken:
        kind = (float(charge.noise_multiplier), float(charge.sampling_rate))
        found[kind] = found.get(kind, 0) + int(charge.steps)
    return tuple(sorted((*kind, steps) for kind, steps in found.items()))


def epsilon_rdp(*, noise_multiplier: float | None, sampling_rate: float, steps: int, delta: float) -> float:
    """Return eps by Renyi accounting (dp-accounting): valid too, and never below `epsilon`; a cross-check."""
    _check_delta(delta)
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
    filters lets them pass; the proof is in docs/mechanism.md. Infinite without noise.
    """
    _check_delta(delta)
    taken = [charge for charge in charges if charge.steps]
    if any(not charge.protected for charge in taken):
        return math.inf
    if not taken:
        return 0.0
    accountant = RdpAccountant([float(order) for order in FILTER_ORDERS])
    for charge in taken:
        gaussian = dp_accounting.GaussianDpEvent(float(charge.noise_multiplier))
        step = dp_accounting.PoissonSampledDpEvent(float(charge.sampling_rate), gaussian)
        accountant.compose(step, int(charge.steps))
    return float(accountant.get_epsilon(delta / len(FILTER_ORDERS)))


def epsilon_published(
    *, noise_multiplier: float | None, sampling_rate: float, steps: int, delta: float
) -> float:
    """Return eps as the code of Kossen et al. (2022) would have printed it; not valid.

    It charges each of `steps` critic steps twice, for the real and for the fake batch, and takes the Renyi
    orders and the conversion of Opacus 0.14. It is wrong for the mechanism it was printed for: see
    `epsilon_reused`.
    """
    # Opacus brings torch with it, 3 s that the other functions need not wait for.
    from opacus.accountants.analysis import rdp

    _check_delta(delta)
    charge = Charge(noise_multiplier, sampling_rate, steps)
    if not charge.steps or not charge.protected:
        return math.inf if charge.steps else 0.0
    spent = rdp.compute_rdp(
        q=sampling_rate, noise_multiplier=noise_multiplier, steps=2 * steps, orders=PUBLISHED_ORDERS
    )
    with warnings.catch_warnings():
        # The orders are the published ones; that others would be better is beside the point.
        warnings.filterwarnings("ignore", message="Optimal order is the")
        return float(rdp.get_privacy_spent(orders=PUBLISHED_ORDERS, rdp=spent, delta=delta)[0])


def epsilon_reused(
    *, noise_multiplier: float | None, sampling_rate: float, steps: int, critic_steps: int, delta: float
) -> float:
    """Return the eps that the published mechanism guarantees: `critic_steps` on one Poisson sample.

    Sub-sampling amplifies once for all of them, so together they are one step whose noise is smaller by the
    root of `critic_steps`. `steps` counts critic steps. Holds only if the drawn batch size is public, as it
    was there.
    """
    if critic_steps < 1:
        raise ValueError(f"a generator step has 1 or more critic steps, not {critic_steps}")
    joint = None if noise_multiplier is None else noise_multiplier / math.sqrt(critic_steps)
    batches = -(-steps // critic_steps)
    return epsilon(noise_multiplier=joint, sampling_rate=sampling_rate, steps=batches, delta=delta)


def calibrate(*, target_epsilon: float, sampling_rate: float, steps: int, delta: float) -> float:
    """Return the smallest noise multiplier, to about 0.2 %, whose `epsilon` is at most `target_epsilon`."""
    if not 0 < target_epsilon < math.inf:
        raise ValueError(f"a target eps is positive and finite, not {target_epsilon}")
    if steps < 1:
        raise ValueError(f"noise is calibrated for 1 or more steps, not {steps}")
    if sampling_rate == 1 and steps > 1:
        # Without sampling, n steps are one with 1 / sqrt(n) of the noise; a search from noise 1 would meet an
        # eps in the hundreds of thousands on its way.
        one = calibrate(target_epsilon=target_epsilon, sampling_rate=1.0, steps=1, delta=delta)
        return math.sqrt(steps) * one

    def excess(log_noise: float) -> float:
        spent = epsilon(
            noise_multiplier=math.exp(log_noise), sampling_rate=sampling_rate, steps=steps, delta=delta
        )
        return math.log(max(spent, 1e-9) / target_epsilon)

    low = high = 0.0
    while excess(low) <= 0:
        high, low = low, low - 0.7
    while excess(high) > 0:
        low, high = high, high + 0.7
    noise = brentq(excess, low, high, xtol=5e-4)
    while excess(noise) > 0:
        noise += 5e-4
    return math.exp(noise)


def affordable_steps(
    *, target_epsilon: float, noise_multiplier: float, sampling_rate: float, delta: float, most: int = 10**9
) -> int:
    """Return the most steps, up to `most`, whose `epsilon` is at most `target_epsilon`."""

    def fits(steps: int) -> bool:
        charge = {"noise_multiplier": noise_multiplier, "sampling_rate": sampling_rate}
        return epsilon(**charge, steps=steps, delta=delta) <= target_epsilon

    high = 1
    while high <= most and fits(high):
        high *= 4
    low, high = high // 4, min(high, most + 1)
    # Four digits are more than a plan needs.
    while high - low > max(1, low // 10**4):
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low


def check_delta(*, delta: float, units: int, release: bool) -> None:
    """Refuse a delta that protects too few of `units` (patches, or patients: the privacy unit).

    At delta >= 1/N, publishing one unit at random would count as private. A release needs delta < 1/(10 N).
    """
    _check_delta(delta)
    if units < 1:
        raise ValueError(f"there is 1 unit or more, not {units}")
    if release and not delta < 1 / (10 * units):
        raise PrivacyError(
            f"delta {delta:.3g} is too large to release a model of {units:,} units: set privacy.delta below "
            f"1/(10 x {units:,}) = {1 / (10 * units):.3g}"
        )
    if delta > 1 / units * (1 + 1e-9):
        raise PrivacyError(
            f"delta {delta:.3g} allows one of {units:,} units to be published whole: set privacy.delta (of "
            "patches), privacy.patient_delta (of patients) or privacy.budget.delta to at most "
            f"1/{units:,} = {1 / units:.3g}, for a release below a tenth of it"
        )


@lru_cache(maxsize=4096)
def _composed(charges: Triples, delta: float) -> tuple[float, float]:
    """Return eps, and the grid of the privacy loss that it was read from."""
    if not charges:
        return 0.0, 1.0
    return tight_epsilon(**_privacy_loss(charges), delta=delta, error=RELATIVE_ERROR)


@lru_cache(maxsize=4096)
def _above(charges: Triples, delta: float) -> float:
    if not charges:
        return 0.0
    spent, interval = _composed(charges, delta)
    loss = _privacy_loss(charges)
    return chance_above(
        loss["distribution"], epsilon=spent, interval=interval, steps=loss["steps"], error=CHANCE_ERROR
    )


def _privacy_loss(charges: Triples) -> dict[str, object]:
    """Return the composed privacy loss as a function of the grid, with a first grid and the sampled steps."""

    def distribution(interval: float) -> PrivacyLossDistribution:
        total = None
        for noise, rate, steps in charges:
            # Without sampling the sum of Gaussian steps is one Gaussian step, exactly.
            one = privacy_loss_distribution.from_gaussian_mechanism(
                noise / math.sqrt(steps) if rate == 1 else noise,
                sampling_prob=rate,
                value_discretization_interval=interval,
            )
            part = one if rate == 1 else self_composed(one, steps)
            total = part if total is None else total.compose(part, tail_mass_truncation=0)
        return total

    spreads = [min(math.sqrt(math.expm1(min(1 / n**2, 700))) * q, 1 / n) for n, q, _ in charges]
    sampled = sum(steps for _, rate, steps in charges if rate < 1)
    return {"distribution": distribution, "start": min(spreads), "steps": sampled}


@lru_cache(maxsize=4096)
def _renyi(noise_multiplier: float, sampling_rate: float, steps: int, delta: float) -> float:
    accountant = RdpAccountant(RDP_ORDERS)
    gaussian = dp_accounting.GaussianDpEvent(noise_multiplier)
    accountant.compose(dp_accounting.PoissonSampledDpEvent(sampling_rate, gaussian), steps)
    return float(accountant.get_epsilon(delta))


def _check_delta(delta: float) -> None:
    if not SMALLEST_DELTA <= delta < 1:
        raise ValueError(f"delta is at least {SMALLEST_DELTA} and below 1, not {delta}")
