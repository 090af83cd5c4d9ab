"""Lower bounds on privacy if the trade-off between false and missed alarms is a Gaussian's.

An observation is mu-Gaussian-private if telling a unit's presence from its absence is at least as hard as
telling N(mu, 1) from N(0, 1): at a false alarm rate a, no test finds more than Phi(Phi^-1(a) + mu) of the
units (Dong, Roth and Su 2022, arXiv:1905.02383). One step with every unit in it is exactly so, with mu one
over the noise multiplier. A whole run, whose steps sample, is so approximately. Bounds read off here hold
under that assumption and are sharper than those of `audit.plan`, which need none.
"""

import math
from collections.abc import Callable
from functools import lru_cache

from dp_accounting.gaussian_mechanism import get_epsilon_gaussian
from scipy.special import ndtr, ndtri
from scipy.stats import beta

BISECTIONS = 50
LARGEST_MU = 64.0  # its eps is in the thousands


def rate_bounds(hits: int, trials: int, *, level: float) -> tuple[float, float]:
    """Return the one-sided lower and upper bound of a rate (Clopper and Pearson 1934), each at `level`.

    Exact: whatever the rate, each bound fails with a chance of at most `level`. That also holds for the mean
    of rates that differ from trial to trial, whose number of hits varies less (Hoeffding 1956).
    """
    if not 0 <= hits <= trials:
        raise ValueError(f"there cannot be {hits} hits in {trials} trials")
    low = beta.ppf(level, hits, trials - hits + 1) if hits else 0.0
    high = beta.isf(level, hits + 1, trials - hits) if hits < trials else 1.0
    return float(low), float(high)


def mu_of_rates(*, found: float, false: float) -> float:
    """Return the mu at which a test finds a share `found` at the false alarm rate `false`, at least 0."""
    return max(0.0, float(ndtri(found) - ndtri(false))) if found > 0 and false < 1 else 0.0


def epsilon_of_mu(mu: float, *, delta: float) -> float:
    """Return eps at `delta` of mu-Gaussian privacy (Balle and Wang 2018, theorem 8).

    The smallest eps of at least 0 with Phi(mu/2 - eps/mu) - exp(eps) Phi(-mu/2 - eps/mu) <= delta; at delta
    0 a Gaussian has none.
    """
    if not 0 <= delta < 1:
        raise ValueError(f"delta is at least 0 and below 1, not {delta}")
    return float(get_epsilon_gaussian(1 / mu, delta)) if mu > 0 else 0.0


@lru_cache(maxsize=1 << 12)
def one_run_mu(*, canaries: int, guesses: int, right: int, level: float) -> float:
    """Return the largest mu that `right` right guesses refute, 0 where they refute none.

    The canaries' coins are fair and independent, and `guesses` of them are guessed after one training
    (Mahloujifar, Melis and Chaudhuri 2024, arXiv:2410.22235). The rate of false alarms is at most `level`.
    """

    def refuted(mu: float) -> bool:
        return is_refuted(
            lambda rate: float(ndtr(ndtri(rate) - mu)),
            canaries=canaries, guesses=guesses, right=right, level=level,
        )  # fmt: skip

    return largest_refuted(refuted, most=LARGEST_MU)


def is_refuted(
    least: Callable[[float], float], *, canaries: int, guesses: int, right: int, level: float
) -> bool:
    """Return whether no private mechanism gets `right` or more guesses right with a chance of `level`.

    `least(p)` is the smallest probability that an event of probability p has on a neighbour; it is convex and
    grows with p. Why: let R_i be the chance that a canary drawn at random is guessed rightly while at least i
    guesses are right, W_i that it is guessed wrongly while at least i are right. Turning that canary's coin
    makes its right guess wrong and leaves the other i right ones, so that W_i >= least(R_(i+1)). If exactly i
    are right with chance P_i, then R_i - R_(i+1) = P_i i / canaries and W_i - W_(i+1) = P_i (guesses - i) /
    canaries. Starting from a chance `level` of `right` right guesses, this makes R_0 + W_0 at least as large
    as what is computed here; yet it is guesses / canaries exactly. (Algorithm 3 of Mahloujifar et al. 2024.)
    """
    if not 0 <= right <= guesses <= canaries:
        raise ValueError(f"there cannot be {right} right ones among {guesses} guesses on {canaries} canaries")
    rightly, wrongly = level * right / canaries, level * (guesses - right) / canaries
    for i in range(right - 1, -1, -1):
        more = max(wrongly, least(rightly))
        if more == wrongly:  # nothing changes any more
            break
        rightly = min(1.0, rightly + i / (guesses - i) * (more - wrongly))
        wrongly = more
    return rightly + wrongly > guesses / canaries * (1 + 1e-12)


def largest_refuted(refuted: Callable[[float], bool], *, most: float = math.inf) -> float:
    """Return the largest claim, at most `most`, that is refuted, found from below; 0 where none is.

    `refuted` is true up to some number and false above it.
    """
    if not refuted(0.0):
        return 0.0
    low, high = 0.0, 1.0
    while high < most and refuted(high):
        low, high = high, 2 * high
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if refuted(middle) else (low, middle)
    return low
