"""What a run promises to several patches of one patient together, such as those of a place in a scan."""

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
from dp_accounting.pld.privacy_loss_distribution import PrivacyLossDistribution
from scipy import stats

from privessel.limits import VACUOUS
from privessel.privacy.accounting import (
    Charge,
    Kinds,
    composed_epsilon,
    loss_above_epsilon,
    merged,
    pure_loss,
)
from privessel.privacy.losses import chance_above, mixture_loss, self_composed, tight_epsilon

RELATIVE_ERROR = 1e-2
# Above this eps nobody asks how likely a larger loss is, and the grid that would tell has millions of points.
MOST_WITH_CHANCE = 1e3
LARGEST_GRID = 100.0  # dp-accounting overflows from about 700 on


def group_epsilon(charges: Iterable[Charge], *, patches: int | Sequence[int], delta: float) -> float:
    """Return the valid eps of `patches` patches together, which take part in all `charges` one by one.

    `patches` is one number for all charges, or the number of each. A pure eps is that of the whole group,
    whatever its number.

    In a step the number of them that is sampled is Binomial, and in the worst case their clipped gradients
    are equal: a mixture of Gaussians with sensitivities 0 .. `patches` (Ganesh 2024, 'Tight group-level DP
    guarantees for DP-SGD with sampling via mixture of Gaussians mechanisms'). Neighbours differ in all of
    them, replaced by empty ones. An upper bound: by about 1 % where eps is below VACUOUS; above, by up to
    some 15 % where rounding keeps the grid coarse, or by convexity where the mixture cannot be computed.
    """
    found = _checked(charges, patches)
    if found is None:
        return math.inf
    if _is_as_one_patch(*found):
        return composed_epsilon(_as_one_patch(*found), delta=delta)
    return _mixed(*found, delta)[0]


def group_loss_above_epsilon(
    charges: Iterable[Charge], *, patches: int | Sequence[int], delta: float
) -> float | None:
    """Return P[privacy loss > eps] at the `group_epsilon` of `delta`; None where that is not computed.

    That is where eps is a bound by convexity, or above MOST_WITH_CHANCE. See `accounting.loss_above_epsilon`.
    """
    found = _checked(charges, patches)
    if found is None:
        return 1.0
    if _is_as_one_patch(*found):
        return loss_above_epsilon(_as_one_patch(*found), delta=delta)
    return _mixed(*found, delta)[1]


def _checked(charges: Iterable[Charge], patches: int | Sequence[int]) -> tuple[Kinds, tuple[int, ...]] | None:
    """Return the charges, each kind once, and how many patches take part in each; None without noise."""
    charges = list(charges)
    counts = [patches] * len(charges) if isinstance(patches, int) else list(patches)
    if any(count < 1 for count in (counts or [patches])):
        raise ValueError(f"a group has 1 patch or more, not {patches}")
    kinds = []
    for count in sorted(set(counts)):
        taken = merged(charge for charge, own in zip(charges, counts, strict=True) if own == count)
        if taken is None:
            return None
        kinds += [(kind, count) for kind in taken]
    return tuple(kind for kind, _ in kinds), tuple(count for _, count in kinds)


def _is_as_one_patch(taken: Kinds, counts: Sequence[int]) -> bool:
    """Whether `_as_one_patch` is exact: for one patch, and where all of them are in every step."""
    return all(count == 1 or rate == 1 for (_, rate, *_), count in zip(taken, counts, strict=True))


def _as_one_patch(taken: Kinds, counts: Sequence[int]) -> list[Charge]:
    """Return what a group costs as if it were one patch."""
    return [
        Charge(None, 1.0, steps, pure) if pure else Charge(noise / count, rate, steps)
        for (noise, rate, steps, pure), count in zip(taken, counts, strict=True)
    ]


@lru_cache(1024)
def _mixed(kinds: Kinds, counts: tuple[int, ...], delta: float) -> tuple[float, float | None]:
    """Return eps of a group, and P[loss > eps] or None."""
    noisy = [(kind[:-1], count) for kind, count in zip(kinds, counts, strict=True) if not kind[-1]]
    taken = [kind for kind, _ in noisy]
    parts = [_truncate(rate, steps, count, delta) for (_, rate, steps), count in noisy]

    def distribution(interval: float) -> PrivacyLossDistribution:
        total, interval = pure_loss(kinds, interval)
        for (noise, _, steps), (probabilities, _) in zip(taken, parts, strict=True):
            one = mixture_loss(noise, list(probabilities), interval=interval)
            part = self_composed(one, steps)
            total = part if total is None else total.compose(part, tail_mass_truncation=0)
        return total

    spread = min(
        _spread(noise, probabilities) for (noise, _, _), (probabilities, _) in zip(taken, parts, strict=True)
    )
    # Where dozens of patches meet in a step, its loss is in the hundreds, and so fine a grid as the spread of
    # a small one asks for would take minutes. A coarse one comes first, and will do where eps is large.
    most = max(len(probabilities) - 1 for probabilities, _ in parts)
    coarse = min(LARGEST_GRID, (most / max(noise for noise, _, _ in taken)) ** 2 / 100)
    # That a step has more patches than counted is paid for in delta (when the patches are in) and, as a
    # factor 1 - rest on every likelihood (when they are out), in eps.
    rest = sum(steps * left for (_, _, steps), (_, left) in zip(taken, parts, strict=True))
    shift = -sum(steps * math.log1p(-left) for (_, _, steps), (_, left) in zip(taken, parts, strict=True))
    steps = sum(part[2] for part in taken)
    given = {"steps": steps, "delta": delta - rest, "error": RELATIVE_ERROR}
    try:
        found = math.inf
        if coarse > 1:
            found, interval = tight_epsilon(distribution, start=coarse, **given)
        if not VACUOUS < found < math.inf:
            found, interval = tight_epsilon(distribution, start=min(spread, 1.0), **given)
        if math.isinf(found):
            raise ValueError("no grid gives a finite eps")
        if found > MOST_WITH_CHANCE:
            return found + shift, None
        above = chance_above(
            distribution, epsilon=found, interval=interval, steps=steps, error=RELATIVE_ERROR
        )
    except (ValueError, ArithmeticError):
        # dp-accounting loses the mixture's tail to rounding where dozens of the patches meet in a step. By
        # convexity the mixture leaks no more than the largest counted number in every step.
        most = [
            Charge(noise / (len(probabilities) - 1), 1.0, steps)
            for (noise, _, steps), (probabilities, _) in zip(taken, parts, strict=True)
        ]
        most += [Charge(None, 1.0, steps, pure) for *_, steps, pure in kinds if pure]
        return composed_epsilon(most, delta=delta - rest) + shift, None
    # At the exact eps the chance is delta at least; at one that is over-stated it can come out smaller.
    return found + shift, min(1.0, max(above + rest, delta))


def _truncate(rate: float, steps: int, patches: int, delta: float) -> tuple[Sequence[float], float]:
    """Return the chances of 0, 1, 2 .. patches in a step, cut off where too few are left, and what is left.

    A step with more of them has probability `rest`, so small that all steps' together are 1e-9 of delta.
    """
    counts = stats.binom(patches, rate)
    tails = counts.sf(np.arange(patches + 1))
    most = max(1, int(np.argmax(tails * steps <= 1e-9 * delta)))
    probabilities = counts.pmf(np.arange(most + 1))
    return tuple(probabilities / probabilities.sum()), float(tails[most])


def _spread(noise: float, probabilities: Sequence[float]) -> float:
    squares = np.arange(len(probabilities)) ** 2 / noise**2
    return math.sqrt(float(np.sum(np.array(probabilities) * np.expm1(np.minimum(squares, 20)))))
