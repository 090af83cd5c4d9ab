"""Bounds under a Gaussian trade-off: closed forms, all mechanisms by linear programming, and simulations."""

import itertools
import math

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.stats import binom, norm
from worst_mechanism import best_chance

from privessel.audit.gaussian import epsilon_of_mu, is_refuted, mu_of_rates, one_run_mu, rate_bounds
from privessel.audit.plan import lower_bound, p_value
from privessel.privacy.accounting import epsilon


def rng(seed=0):
    return np.random.default_rng(seed)


def at_most(alarms, runs, level):
    """Whether so many alarms fit a rate of at most `level`, up to 4 standard errors."""
    return alarms <= runs * level + 4 * math.sqrt(runs * level * (1 - level))


# --- A rate and its bounds ---


@pytest.mark.parametrize(("hits", "trials"), [(0, 7), (3, 7), (7, 7), (480, 500)])
def test_a_bound_is_the_rate_at_which_so_many_hits_have_just_the_chance_allowed(hits, trials):
    low, high = rate_bounds(hits, trials, level=0.05)
    assert low == 0 if hits == 0 else binom.sf(hits - 1, trials, low) == pytest.approx(0.05)
    assert high == 1 if hits == trials else binom.cdf(hits, trials, high) == pytest.approx(0.05)


def test_each_bound_fails_as_often_as_allowed_and_less_where_trials_have_different_rates():
    mixed = rng(1).choice([0.2, 0.9], 300)
    for rates in (np.full(300, mixed.mean()), mixed):
        hits = (rng(2).random((4000, 300)) < rates).sum(axis=1)
        bounds = np.array([rate_bounds(int(each), 300, level=0.05) for each in hits])
        failed = [(bounds[:, 0] > rates.mean()).sum(), (bounds[:, 1] < rates.mean()).sum()]
        assert all(at_most(each, 4000, 0.05) for each in failed)
        assert (min(failed) > 0.025 * 4000) == (rates is not mixed)


def test_impossible_counts_are_refused():
    with pytest.raises(ValueError, match="8 hits in 7 trials"):
        rate_bounds(8, 7, level=0.05)
    with pytest.raises(ValueError, match="11 right ones among 10 guesses"):
        one_run_mu(canaries=20, guesses=10, right=11, level=0.05)


@pytest.mark.parametrize("mu", [0.3, 1.5, 4.0])
@pytest.mark.parametrize("threshold", [-0.5, 0.5, 2.0])
def test_wherever_the_threshold_is_the_rates_of_a_gaussian_give_its_mu(mu, threshold):
    assert mu_of_rates(found=norm.sf(threshold, mu), false=norm.sf(threshold)) == pytest.approx(mu)
    assert mu_of_rates(found=norm.sf(threshold), false=norm.sf(threshold, mu)) == 0


def test_nothing_found_or_all_false_shows_nothing():
    assert mu_of_rates(found=0.0, false=0.0) == mu_of_rates(found=1.0, false=1.0) == 0


@pytest.mark.parametrize("mu", [0.5, 1 / 0.65, 3.0])
def test_the_bound_from_guesses_on_known_gaussians_holds_as_often_as_it_says(mu):
    """The statistic of `audit.steps` by itself: coin plus noise against 1/2; 600 audits of 4,000 guesses."""
    bounds = []
    for seed in range(600):
        coins = rng(seed).random(4000) < 0.5
        beyond = coins + rng(10_000 + seed).normal(size=4000) / mu > 0.5
        found = rate_bounds(int((coins & beyond).sum()), int(coins.sum()), level=0.025)[0]
        false = rate_bounds(int((~coins & beyond).sum()), int((~coins).sum()), level=0.025)[1]
        bounds.append(mu_of_rates(found=found, false=false))
    assert at_most(sum(bound > mu for bound in bounds), 600, 0.05)
    assert np.median(bounds) > 0.75 * mu


# --- mu and eps ---


@pytest.mark.parametrize("mu", [0.1, 0.5, 1.0, 2.0, 4.0, 8.0])
@pytest.mark.parametrize("delta", [1e-8, 1e-5, 1e-2])
def test_eps_of_mu_solves_the_published_equation_and_agrees_with_the_accountant(mu, delta):
    def excess(eps):
        return norm.cdf(mu / 2 - eps / mu) - math.exp(eps) * norm.cdf(-mu / 2 - eps / mu) - delta

    found = epsilon_of_mu(mu, delta=delta)
    assert found == pytest.approx(brentq(excess, 0, 200) if excess(0) > 0 else 0)
    accountant = epsilon(noise_multiplier=1 / mu, sampling_rate=1.0, steps=1, delta=delta)
    assert found <= accountant * (1 + 1e-9)
    assert found == pytest.approx(accountant, rel=1e-2, abs=1e-3)


def test_eps_of_mu_grows_and_is_nothing_for_nothing():
    found = [epsilon_of_mu(mu, delta=1e-5) for mu in (0, 1e-6, 0.5, 1, 5, 30, 60)]
    assert found[:2] == [0, 0]
    assert (np.diff(found[1:]) > 0).all()
    with pytest.raises(ValueError, match="delta"):
        epsilon_of_mu(1.0, delta=1.0)
    assert epsilon_of_mu(0.1, delta=0.0) == math.inf


# --- One run ---


def largest_chance(least, *, canaries, guesses, right):
    """Return the largest chance of so many right guesses that is not refuted."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        refuted = is_refuted(least, canaries=canaries, guesses=guesses, right=right, level=middle)
        low, high = (low, middle) if refuted else (middle, high)
    return high


def tangents(mu):
    """Return promises (eps, delta) that a mu-Gaussian mechanism keeps, and what they leave an event."""
    promises = [
        (eps, norm.cdf(mu / 2 - eps / mu) - math.exp(eps) * norm.cdf(-mu / 2 - eps / mu))
        for eps in np.linspace(0, 3 * mu, 6)
    ]
    return promises, lambda p: max(0.0, *((p - delta) * math.exp(-eps) for eps, delta in promises))


@pytest.mark.parametrize(
    ("canaries", "guesses", "right"),
    [(1, 1, 1), (2, 2, 2), (2, 2, 1), (2, 1, 1), (3, 3, 3), (3, 3, 2), (3, 2, 2)],
)
@pytest.mark.parametrize("mu", [0.5, 1.5])
def test_no_mechanism_with_that_trade_off_beats_the_one_run_bound(canaries, guesses, right, mu):
    promises, least = tangents(mu)
    given = {"canaries": canaries, "guesses": guesses, "right": right}
    best = best_chance(**given, promises=promises)
    allowed = largest_chance(least, **given)
    assert best <= allowed + 1e-7
    if guesses == right == canaries == 1:
        assert best == pytest.approx(allowed, abs=1e-6)  # one guess is the trade-off itself
        assert best >= norm.cdf(mu / 2) - 1e-9


@pytest.mark.parametrize("eps", [0.0, 0.5, 2.0])
def test_with_the_trade_off_of_pure_privacy_it_is_never_below_the_exact_chance_and_near_it(eps):
    for guesses, right in itertools.product((10, 60), (0.6, 0.8, 1.0)):
        given = {"canaries": 80, "guesses": guesses, "right": round(right * guesses)}
        exact = p_value(**given, epsilon=eps, delta=0.0)
        allowed = largest_chance(lambda p: p * math.exp(-eps), **given)
        assert exact <= allowed + 1e-9
        if exact < 0.1:  # the whole tail counts as if it were at `right`
            assert allowed < 3 * exact + 1e-9


def test_more_right_guesses_show_more_and_none_beyond_the_ceiling():
    given = {"canaries": 400, "guesses": 200, "level": 0.05}
    bounds = [one_run_mu(**given, right=right) for right in range(80, 201, 4)]
    assert bounds[0] == 0
    assert (np.diff(bounds) >= 0).all()
    assert (np.diff([bound for bound in bounds if bound]) > 0).all()
    assert max(bounds) == one_run_mu(**given, right=200) < 2
    assert one_run_mu(canaries=400, guesses=200, right=160, level=0.01) < one_run_mu(**given, right=160)


@pytest.mark.parametrize("mu", [0.0, 0.5, 1.0, 2.0])
def test_on_gaussian_mechanisms_the_one_run_bound_holds_and_is_above_the_exact_one(mu):
    bounds, exact = [], []
    for seed in range(400):
        coins = rng(seed).random(400) < 0.5
        order = np.argsort(-(mu * coins + rng(10_000 + seed).normal(size=400)))
        right = int(coins[order[:100]].sum() + (~coins[order[-100:]]).sum())
        given = {"canaries": 400, "guesses": 200, "right": right, "level": 0.05}
        bounds.append(one_run_mu(**given))
        exact.append(lower_bound(**given, delta=1e-5))
    assert at_most(sum(bound > mu for bound in bounds), 400, 0.05)
    if mu >= 0.5:
        assert epsilon_of_mu(np.median(bounds), delta=1e-5) > 1.4 * np.median(exact) > 0
