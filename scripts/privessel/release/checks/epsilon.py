"""The eps of mechanisms, by privacy loss distributions: for one unit, or for several patches of a patient.

A mechanism is a dictionary with `noise_multiplier`, `sampling_rate` and `steps`: Gaussian noise on a Poisson
sample in every step. Neighbours differ in the unit, or in all of the patches: empty ones replace them.
"""

import math
import warnings

from privessel.release.checks.words import VACUOUS

ERROR = {"unit": 2e-3, "group": 1e-2}  # the relative error at which the grid is not refined any more
ROUNDING = 2e-16  # of delta for every composed step, by Fourier transforms; subtracted from delta
FINEST = 1e-4  # the finest grid, relative to the first
INFINITE = 4  # after so many grids without a finite eps the search ends
LARGEST_GRID = 100.0  # dp-accounting overflows from about 700 on
FILTER_ORDERS = (2, 3, 4, 6, 10, 20, 40)
CHANCE_ERROR = 0.03  # the same of the chance of a larger loss
MOST_WITH_CHANCE = 1e3  # above this eps of a group, the chance of a larger loss is not computed


def compose_epsilon(
    mechanisms: list[dict], delta: float, patches: int | list = 1
) -> tuple[float, float | None]:
    """Return (eps, chance): eps of `patches` together in all mechanisms, and P[privacy loss > eps].

    `patches` is one number for all mechanisms, or the number of each. An upper bound. eps is infinite where
    it cannot be computed. The chance is None for several patches of an eps that is a bound by convexity or
    above 1,000. Several patches are a mixture of Gaussians in every step (Ganesh 2024, 'Tight group-level DP
    guarantees for DP-SGD with sampling via mixture of Gaussians').
    """
    counts = [patches] * len(mechanisms) if isinstance(patches, int) else patches
    merged = {}
    for one, count in zip(mechanisms, counts, strict=True):
        kind = (one["noise_multiplier"], one["sampling_rate"], count)
        merged[kind] = merged.get(kind, 0) + one["steps"]
    if any(rate < 1 and count > 1 for _, rate, count in merged):
        return _group(merged, delta)
    alone = {}
    for (noise, rate, count), steps in merged.items():
        kind = (noise / count, rate)
        alone[kind] = alone.get(kind, 0) + steps
    return _one_unit(alone, delta)


def compose_adaptively(mechanisms: list[dict], delta: float) -> float:
    """Return eps of one unit if later mechanisms were chosen after a look at the results of earlier ones.

    Renyi filters of FILTER_ORDERS, each with an equal share of delta (Feldman and Zrnic 2021, 'Individual
    privacy accounting via a Renyi filter'). Infinite where it cannot be computed.
    """
    import dp_accounting
    from dp_accounting.rdp import RdpAccountant

    accountant = RdpAccountant([float(order) for order in FILTER_ORDERS])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            for one in mechanisms:
                gaussian = dp_accounting.GaussianDpEvent(float(one["noise_multiplier"]))
                step = dp_accounting.PoissonSampledDpEvent(float(one["sampling_rate"]), gaussian)
                accountant.compose(step, one["steps"])
            found = float(accountant.get_epsilon(delta / len(FILTER_ORDERS)))
    except ArithmeticError:
        return math.inf
    return found if found > 0 and math.isfinite(found) else math.inf


def _one_unit(merged, delta):
    from dp_accounting.pld import privacy_loss_distribution as losses

    def compose(interval):
        return _total(
            (
                losses.from_gaussian_mechanism(
                    noise, sampling_prob=rate, value_discretization_interval=interval
                ),
                steps,
            )
            for (noise, rate), steps in merged.items()
        )

    start = min(
        min(math.sqrt(math.expm1(min(1 / noise**2, 700))) * rate, 1 / noise) for noise, rate in merged
    )
    sampled = sum(steps for (_, rate), steps in merged.items() if rate < 1)
    found, interval = _refine(compose, start, delta - ROUNDING * sampled, ERROR["unit"])
    return found, 1.0 if math.isinf(found) else _chance(compose, found, interval)


def _group(merged, delta):
    from dp_accounting.pld import privacy_loss_distribution as losses

    parts = {kind: _count_sampled(kind[1], steps, kind[2], delta) for kind, steps in merged.items()}

    def compose(interval):
        return _total(
            (
                losses.from_mixture_gaussian_mechanism(
                    kind[0],
                    list(range(len(parts[kind][0]))),
                    parts[kind][0],
                    value_discretization_interval=interval,
                ),
                steps,
            )
            for kind, steps in merged.items()
        )

    # Steps that sample more patches than are counted cost a part of delta, and a little eps.
    left = sum(steps * parts[kind][1] for kind, steps in merged.items())
    more = -sum(steps * math.log1p(-parts[kind][1]) for kind, steps in merged.items())
    spreads = [
        math.sqrt(
            sum(share * math.expm1(min(n * n / kind[0] ** 2, 20)) for n, share in enumerate(parts[kind][0]))
        )
        for kind in merged
    ]
    remaining = delta - left - ROUNDING * sum(merged.values())
    most = max(len(shares) - 1 for shares, _ in parts.values())
    coarse = min(LARGEST_GRID, (most / max(kind[0] for kind in merged)) ** 2 / 100)
    try:
        found = math.inf
        if coarse > 1:  # dozens of patches meet in a step: its loss is in the hundreds
            found, interval = _refine(compose, coarse, remaining, ERROR["group"])
        if not VACUOUS < found < math.inf:
            found, interval = _refine(compose, min(*spreads, 1.0), remaining, ERROR["group"])
        if math.isinf(found):
            raise ValueError("no grid gives a finite eps")
        if found > MOST_WITH_CHANCE:
            return found + more, None
        chance = _chance(compose, found, interval)
    except (ValueError, ArithmeticError):
        # dp-accounting cannot compute the mixture. By convexity it costs no more than the largest number of
        # patches in every step.
        most = [
            {"noise_multiplier": kind[0] / (len(parts[kind][0]) - 1), "sampling_rate": 1.0, "steps": steps}
            for kind, steps in merged.items()
        ]
        return compose_epsilon(most, delta - left)[0] + more, None
    return found + more, min(1.0, max(chance + left, delta))


def _count_sampled(rate, steps, patches, delta):
    """Return the probabilities of 0, 1, 2 .. sampled patches, cut off, and the probability of more."""
    from scipy import stats  # comes with dp-accounting

    counts = stats.binom(patches, rate)
    most = 1
    while counts.sf(most) * steps > 1e-9 * delta:
        most += 1
    shares = [float(counts.pmf(n)) for n in range(most + 1)]
    return [share / sum(shares) for share in shares], float(counts.sf(most))


def _total(parts):
    total = None
    for one, steps in parts:
        # Dense distributions are composed by Fourier transforms, sparse ones in slow loops.
        if steps > 1 and hasattr(one, "_pmf_remove"):
            one = type(one)(one._pmf_remove.to_dense_pmf(), one._pmf_add.to_dense_pmf())
        composed = one.self_compose(steps)
        total = composed if total is None else total.compose(composed, tail_mass_truncation=0)
    return total


def _refine(compose, start, delta, error):
    """Return eps and its grid. Each grid gives an upper bound, whose excess falls with the grid's square."""
    coarse, fine = start, start / 3
    if delta <= 0:
        return math.inf, fine
    above, infinite = _read(compose, coarse, delta), 0
    while True:
        best = _read(compose, fine, delta)
        infinite += math.isinf(best)
        if math.isinf(best) and math.isfinite(above):
            # On this grid rounding has lost the tail; the eps of a coarser one is a bound all the same.
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


def _read(compose, interval, delta):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        found = float(compose(interval).get_epsilon_for_delta(delta))
    return math.inf if math.isnan(found) else found


def _chance(compose, epsilon, interval):
    """Return P[loss > epsilon], from delta as a function of eps.

    Between two points of the grid delta is P[loss > eps] - e^eps x E[e^-loss; loss > eps], and both are
    constant there, so that two values of delta give the probability. The grid is refined until the
    probability hardly falls.
    """
    before = math.inf
    while True:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            loss = compose(interval)
        cell = math.floor(epsilon / interval)
        low, high = (cell + 0.1) * interval, (cell + 0.9) * interval
        found = 0.0
        # In both directions, because the larger delta can have the smaller probability.
        for way in (loss._pmf_remove, loss._pmf_add) if hasattr(loss, "_pmf_add") else (loss,):
            one, other = way.get_delta_for_epsilon(low), way.get_delta_for_epsilon(high)
            found = max(found, one + (one - other) / math.expm1(high - low))
        if before - found <= CHANCE_ERROR * found:
            return min(1.0, float(found))
        before, interval = found, interval / 2
