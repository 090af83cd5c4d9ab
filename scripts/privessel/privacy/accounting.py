"""What a run of the mechanism guarantees: pure functions of its noise, sampling and steps.

The mechanism: every step takes a fresh Poisson sample of the units (rate q), clips each unit's gradient, and
adds Gaussian noise to the sum. Its standard deviation is `noise_multiplier` times what one unit can change in
the sum (`grid.sensitivity`). Neighbours differ in one unit, which one of them replaces by an empty one whose
gradient is zero ('zero-out'), in either direction. The number of units stays, so it and the sampling rate are
public, as steps are. The numbers are those of a unit that is added or removed at the same sampling rate.

A second kind of mechanism promises a *pure* eps (delta 0), such as a vote of patients. It is composed with
the first kind by its worst case, randomised response: of all mechanisms with that eps none tells more
(Kairouz et al. 2015, 'The composition theorem for differential privacy').
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from dp_accounting.pld import privacy_loss_distribution
from dp_accounting.pld.privacy_loss_distribution import PrivacyLossDistribution

from privessel.errors import PrivacyError
from privessel.limits import SMALLEST_DELTA
from privessel.privacy.losses import chance_above, self_composed, tight_epsilon

# eps is over-stated by at most about this share: the grid of the privacy loss is refined until it is.
RELATIVE_ERROR = 2e-3
CHANCE_ERROR = 3e-3  # of P[loss > eps], which is printed with two digits

# Noise multiplier, sampling rate, steps and pure eps of each mechanism; the pure eps is 0 where there is
# noise, and the noise infinite where there is a pure eps.
Kinds = tuple[tuple[float, float, int, float], ...]


@dataclass(frozen=True)
class Charge:
    """Steps of one Poisson-sampled Gaussian mechanism; `noise_multiplier` None: no noise, no protection.

    With `pure_epsilon` each step is a mechanism of that pure eps instead, without noise and sampling.
    """

    noise_multiplier: float | None
    sampling_rate: float
    steps: int
    pure_epsilon: float | None = None

    def __post_init__(self) -> None:
        if self.pure_epsilon is not None:
            if not 0 < self.pure_epsilon < math.inf:
                raise ValueError(f"a pure eps is positive and finite, not {self.pure_epsilon}")
            if self.noise_multiplier is not None or self.sampling_rate != 1:
                raise ValueError("a mechanism of pure eps has no noise multiplier, and samples nobody")
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
        noisy = self.noise_multiplier is not None and math.isfinite(self.noise_multiplier)
        return noisy or self.pure_epsilon is not None

    @property
    def kind(self) -> tuple[float, float, int, float]:
        """The mechanism as `Kinds` have it."""
        noise = math.inf if self.noise_multiplier is None else float(self.noise_multiplier)
        return noise, float(self.sampling_rate), int(self.steps), float(self.pure_epsilon or 0)

    def __lt__(self, other: "Charge") -> bool:
        """Order charges, so that sets of them can be compared."""
        return self.kind < other.kind


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
    require_usable_delta(delta)
    taken = merged(charges)
    return math.inf if taken is None else _composed(taken, delta)[0]


def loss_above_epsilon(charges: Iterable[Charge], *, delta: float) -> float:
    """Return P[privacy loss > eps] at the `composed_epsilon` of `delta`, in the worse direction.

    The privacy loss is the logarithm of how much likelier an outcome is with the unit than without it. Delta
    is not this probability but less: an outcome whose loss is above eps counts in delta only by the part of
    its probability that e^eps times the other one does not cover. 1 where eps is infinite.
    """
    require_usable_delta(delta)
    taken = merged(charges)
    return 1.0 if taken is None else _above(taken, delta)


def merged(charges: Iterable[Charge]) -> Kinds | None:
    """Return each kind of mechanism once with all its steps; None where steps have no noise."""
    taken = [charge for charge in charges if charge.steps]
    if any(not charge.protected for charge in taken):
        return None
    found: dict[tuple[float, float, float], int] = {}
    for noise, rate, steps, pure in (charge.kind for charge in taken):
        found[noise, rate, pure] = found.get((noise, rate, pure), 0) + steps
    return tuple(sorted((noise, rate, steps, pure) for (noise, rate, pure), steps in found.items()))


def pure_sum(kinds: Kinds) -> float | None:
    """Return the pure eps of all mechanisms together; None where one of them has none."""
    return math.fsum(pure * steps for *_, steps, pure in kinds) if all(kind[-1] for kind in kinds) else None


def pure_loss(kinds: Kinds, interval: float) -> tuple[PrivacyLossDistribution | None, float]:
    """Return the privacy loss of the pure mechanisms among `kinds`, None where there is none, and its grid.

    The grid is at most `interval` wide, and the smallest pure eps lies on it: a loss of +eps or -eps between
    two points would be rounded up.
    """
    total, pures = None, [(steps, pure) for *_, steps, pure in kinds if pure]
    if pures:
        least = min(pure for _, pure in pures)
        interval = least / math.ceil(least / interval)
    for steps, pure in pures:
        true, points = 1 / (1 + math.exp(-pure)), pure / interval
        # Points that are whole numbers but for the rounding of a division are these numbers.
        losses = {math.ceil(points * (1 - 1e-12)): true, -math.floor(points * (1 + 1e-12)): 1 - true}
        one = PrivacyLossDistribution.create_from_rounded_probability(losses, 0.0, interval)
        part = self_composed(one, steps)
        total = part if total is None else total.compose(part, tail_mass_truncation=0)
    return total, interval


def check_delta(*, delta: float, units: int, release: bool) -> None:
    """Refuse a delta that protects too few of `units` (patches, or patients: the privacy unit).

    At delta >= 1/N, publishing one unit at random would count as private. A release needs delta < 1/(10 N).
    """
    require_usable_delta(delta)
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


@lru_cache(4096)
def _composed(charges: Kinds, delta: float) -> tuple[float, float]:
    """Return eps, and the grid of the privacy loss that it was read from."""
    pure = pure_sum(charges)
    if pure is not None:  # at any delta, and for choices made as one goes, too
        return pure, 1.0
    return tight_epsilon(**_privacy_loss(charges), delta=delta, error=RELATIVE_ERROR)


@lru_cache(4096)
def _above(charges: Kinds, delta: float) -> float:
    if pure_sum(charges) is not None:
        return 0.0
    spent, interval = _composed(charges, delta)
    loss = _privacy_loss(charges)
    return chance_above(
        loss["distribution"], epsilon=spent, interval=interval, steps=loss["steps"], error=CHANCE_ERROR
    )


def _privacy_loss(charges: Kinds) -> dict[str, object]:
    """Return the composed privacy loss as a function of the grid, with a first grid and the sampled steps."""
    noisy = [kind[:-1] for kind in charges if not kind[-1]]

    def distribution(interval: float) -> PrivacyLossDistribution:
        total, interval = pure_loss(charges, interval)
        for noise, rate, steps in noisy:
            # Without sampling the sum of Gaussian steps is one Gaussian step, exactly.
            one = privacy_loss_distribution.from_gaussian_mechanism(
                noise / math.sqrt(steps) if rate == 1 else noise,
                sampling_prob=rate,
                value_discretization_interval=interval,
            )
            part = one if rate == 1 else self_composed(one, steps)
            total = part if total is None else total.compose(part, tail_mass_truncation=0)
        return total

    spreads = [min(math.sqrt(math.expm1(min(1 / n**2, 700))) * q, 1 / n) for n, q, _ in noisy]
    sampled = sum(steps for _, rate, steps in noisy if rate < 1)
    spreads += [pure for *_, pure in charges if pure]
    return {"distribution": distribution, "start": min(spreads), "steps": sampled}


def require_usable_delta(delta: float) -> None:
    """Raise ValueError for a delta that is no probability or is below what the accountant can compute."""
    if not SMALLEST_DELTA <= delta < 1:
        raise ValueError(f"delta is at least {SMALLEST_DELTA} and below 1, not {delta}")
