"""The audit: its bound against brute force and known mechanisms, its alarms, and canaries in a run."""

import itertools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.stats import binom, norm
from tiny_gan import SHAPE, TRAINING
from toy_mechanisms import Toy, likelihood_scores, released
from worst_mechanism import best_chance

from privessel.audit import canaries as canaries_module
from privessel.audit.canaries import (
    KINDS,
    GradientWatch,
    clipped_gradients,
    draw_canaries,
    insert,
    matched_filter,
)
from privessel.audit.plan import Plan, audit, count_right, log_likelihood, lower_bound, p_value, toss_coins
from privessel.errors import PrivacyError
from privessel.gan.nets import Critic, initialise
from privessel.gan.pairs import Pairs
from privessel.gan.step import Gan
from privessel.privacy.accounting import epsilon
from privessel.privacy.clipping import BookKeeping, Bound
from privessel.privacy.keys import Stream
from privessel.privacy.published import epsilon_published, epsilon_reused

pytestmark = pytest.mark.slow  # left out of make test-fast

torch.set_num_threads(1)

PLAN = Plan(canaries=1000, guesses_in=100, guesses_out=100, scores=("critic",), delta=1e-5, confidence=0.95)
# The mechanism of this project, and the plan that finds each planted bug in it: `benchmarks/audit.py`.
TOY = Toy(noise_multiplier=1.0, sampling_rate=0.02, batches=200, others=1600, raw_norm=50.0)
TOY_PLAN = replace(PLAN, guesses_out=0)


def rng(seed=0):
    return np.random.default_rng(seed)


def stream(seed=0):
    return Stream(seed.to_bytes(32, "big"))


# --- the bound ---


def theorem(*, canaries, guesses, right, epsilon, delta):
    """Theorem 5.2 of Steinke et al. 2023, as in their appendix D."""
    truth = 1 / (1 + math.exp(-epsilon))
    sizes = np.arange(1, right + 1)
    windows = np.cumsum(binom.pmf(right - sizes, guesses, truth)) / sizes
    return binom.sf(right - 1, guesses, truth) + 2 * canaries * delta * windows.max()


@pytest.mark.parametrize(
    ("canaries", "guesses", "right", "delta", "printed"),
    [(1000, 100, 75, 1e-4, 0.673), (100_000, 1510, 1439, 1e-5, 2.675)],
)
def test_the_bound_is_at_least_the_one_printed_in_the_paper(canaries, guesses, right, delta, printed):
    # Appendix D and section 7, with three decimals, rounded or cut.
    given = {"canaries": canaries, "guesses": guesses, "right": right, "delta": delta}
    theirs = brentq(lambda eps: theorem(**given, epsilon=eps) - 0.05, 0, 10)
    assert theirs == pytest.approx(printed, abs=1e-3)
    assert theirs < lower_bound(**given, level=0.05) < theirs + 0.25


def test_where_a_bound_is_read_off_the_published_theorem_is_never_sharper():
    for guesses, delta, eps in itertools.product((5, 40, 300), (1e-6, 1e-4, 1e-2), np.linspace(0.01, 6, 13)):
        for right in range(guesses // 2, guesses + 1, max(1, guesses // 40)):
            given = {"guesses": guesses, "right": right, "epsilon": eps, "delta": delta}
            for canaries in (guesses, 3 * guesses):
                if theorem(canaries=canaries, **given) < 0.1:
                    assert p_value(canaries=canaries, **given) <= theorem(canaries=canaries, **given)


@pytest.mark.parametrize("eps", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("guesses", [3, 6])
def test_without_delta_the_p_value_is_the_chance_under_randomised_response(eps, guesses):
    canaries, truth = 6, math.exp(eps) / (1 + math.exp(eps))
    chances = np.zeros(guesses + 1)
    for coins in itertools.product((0, 1), repeat=canaries):
        for answers in itertools.product((0, 1), repeat=canaries):
            same = [coin == answer for coin, answer in zip(coins, answers, strict=True)]
            chances[sum(same[:guesses])] += 0.5**canaries * math.prod(
                truth if each else 1 - truth for each in same
            )
    for right in range(guesses + 1):
        found = p_value(canaries=canaries, guesses=guesses, right=right, epsilon=eps, delta=0.0)
        assert found == pytest.approx(chances[right:].sum())


@pytest.mark.parametrize(
    ("canaries", "guesses", "right"),
    [(1, 1, 1), (2, 2, 2), (2, 2, 1), (2, 1, 1), (3, 3, 2), (3, 3, 3), (3, 2, 2), (3, 1, 1), (4, 4, 3)],
)
@pytest.mark.parametrize("delta", [0.0, 0.003, 0.05])
@pytest.mark.parametrize("eps", [0.0, 0.7])
def test_the_p_value_is_what_the_best_of_all_mechanisms_reaches(canaries, guesses, right, delta, eps):
    given = {"canaries": canaries, "guesses": guesses, "right": right}
    best = best_chance(**given, promises=[(eps, delta)])
    assert p_value(**given, epsilon=eps, delta=delta) == pytest.approx(best, abs=2e-7)


def test_more_right_guesses_refute_more_and_a_larger_claim_is_harder_to_refute():
    given = {"canaries": 500, "guesses": 80, "delta": 1e-4}
    claims = np.linspace(0, 8, 41)
    table = np.array([[p_value(**given, right=right, epsilon=eps) for eps in claims] for right in range(81)])
    assert (np.diff(table, axis=0) <= 1e-12).all()
    assert (np.diff(table, axis=1) >= -1e-12).all()
    bounds = [lower_bound(**given, right=right, level=0.05) for right in range(40, 81)]
    assert bounds[0] == 0
    assert (np.diff(bounds) >= 0).all()
    for right, bound in zip(range(40, 81), bounds, strict=True):
        if bound:
            assert p_value(**given, right=right, epsilon=bound) == pytest.approx(0.05)


def test_a_bound_of_hundreds_does_not_lose_its_digits():
    # All of n guesses right at level a: (1 + exp(-eps))^-n = a.
    found = lower_bound(canaries=10**9, guesses=10**9, right=10**9, delta=0.0, level=0.05)
    assert found == pytest.approx(-math.log(math.expm1(-math.log(0.05) / 1e9)))
    assert p_value(canaries=10, guesses=10, right=10, epsilon=800.0, delta=0.0) == 1
    assert p_value(canaries=10, guesses=10, right=10, epsilon=math.inf, delta=0.0) == 1


@pytest.mark.parametrize("eps", [100.0, 650.0, 740.0, 746.0, 1e4])
@pytest.mark.parametrize("delta", [0.0, 1e-5])
def test_no_guesses_refute_a_claim_of_hundreds_however_wrong_they_are(eps, delta):
    for guesses, right in ((10, 9), (200, 113), (2000, 1500)):
        given = {"canaries": 2000, "guesses": guesses, "right": right, "delta": delta}
        assert p_value(**given, epsilon=eps) == pytest.approx(1)


def test_a_claim_that_cannot_be_counted_is_refused():
    with pytest.raises(ValueError, match="11 right ones among 10 guesses"):
        p_value(canaries=20, guesses=10, right=11, epsilon=1.0, delta=0.0)
    with pytest.raises(ValueError, match="eps is at least 0"):
        p_value(canaries=20, guesses=10, right=9, epsilon=math.nan, delta=0.0)


# --- the plan ---


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"guesses_in": 0, "guesses_out": 0}, "between 1 and 1000"),
        ({"guesses_in": 600, "guesses_out": 401}, "between 1 and 1000"),
        ({"scores": ()}, "names of scores"),
        ({"scores": ("critic", "critic")}, "each once"),
        ({"delta": 1.0}, "delta"),
        ({"confidence": 0.4}, "confidence"),
    ],
)
def test_a_plan_that_shows_nothing_is_refused(change, said):
    with pytest.raises(ValueError, match=said):
        replace(PLAN, **change)


def test_coins_are_fair_and_repeat():
    coins = toss_coins(replace(PLAN, canaries=10_000), stream())
    assert abs(coins.mean() - 0.5) < 5 * 0.5 / 100
    np.testing.assert_array_equal(coins, toss_coins(replace(PLAN, canaries=10_000), stream()))


@pytest.mark.parametrize(
    "change",
    [
        {"guesses_in": 101},
        {"guesses_out": 0},
        {"confidence": 0.9},
        {"delta": 0.0},
        {"scores": ("critic", "g")},
    ],
)
def test_a_plan_changed_after_training_finds_nothing_since_its_coins_are_others(change):
    inserted, changed = toss_coins(PLAN, stream()), replace(PLAN, **change)
    agreeing = (toss_coins(changed, stream()) == inserted).mean()
    assert abs(agreeing - 0.5) < 5 * 0.5 / math.sqrt(1000)
    betrayed = {name: inserted + rng().random(1000) for name in changed.scores}
    assert audit(PLAN, {"critic": betrayed["critic"]}, stream=stream(), claimed_epsilon=3.0)[0].refuted
    assert not any(each.refuted for each in audit(changed, betrayed, stream=stream(), claimed_epsilon=3.0))


def test_highest_scores_are_guessed_in_lowest_out_and_the_rest_not_at_all():
    plan = Plan(canaries=6, guesses_in=2, guesses_out=1, scores=("a",), delta=0.0, confidence=0.95)
    scores = np.array([0.1, 5.0, -3.0, 4.0, 0.2, 0.3])
    assert count_right(plan, scores, np.array([0, 1, 0, 1, 0, 0], bool)) == 3
    assert count_right(plan, scores, np.array([1, 1, 0, 1, 1, 1], bool)) == 3
    assert count_right(plan, scores, np.array([1, 0, 1, 0, 1, 1], bool)) == 0


def test_canaries_of_equal_score_are_guessed_in_their_order_which_no_coin_decides():
    scores = rng(2).integers(0, 2, 1000)
    guessed = np.zeros(1000, bool)
    guessed[np.flatnonzero(scores == 1)[:100]] = True
    assert count_right(PLAN, scores, guessed) == 200
    guessed[np.flatnonzero(scores == 0)[-100:]] = True
    assert count_right(PLAN, scores, guessed) == 100


def test_a_finding_says_how_far_the_plan_could_see():
    inserted = toss_coins(PLAN, stream())
    (finding,) = audit(PLAN, {"critic": inserted.astype(float)}, stream=stream(), claimed_epsilon=9.0)
    assert finding.right == finding.guesses == 200
    assert finding.epsilon_low == finding.ceiling == PLAN.ceiling
    assert not finding.refuted
    assert finding.ceiling == pytest.approx(math.log(200 / -math.log(0.05)), abs=0.1)


def test_a_finding_has_a_sharper_bound_that_assumes_a_gaussian_run_and_refutes_nothing_by_it():
    inserted, draw = toss_coins(PLAN, stream()), rng(4)
    (finding,) = audit(
        PLAN, {"critic": 1.5 * inserted + draw.normal(size=1000)}, stream=stream(), claimed_epsilon=2.5
    )
    assert finding.epsilon_low < finding.claimed_epsilon < finding.epsilon_gaussian < finding.ceiling_gaussian
    assert finding.epsilon_gaussian == PLAN.gaussian_bound(finding.right) < gaussian_epsilon(1.5, PLAN.delta)
    assert not finding.refuted


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ({"gradient": np.zeros(1000)}, "planned with the scores critic, but has gradient"),
        ({"critic": np.zeros(1000), "gradient": np.zeros(1000)}, "others need a new plan"),
        ({"critic": np.zeros(999)}, "score critic must be 1000 finite numbers"),
        ({"critic": np.full(1000, np.nan)}, "score critic must be 1000 finite numbers"),
    ],
)
def test_scores_that_were_not_planned_are_refused(scores, said):
    with pytest.raises(PrivacyError, match=said):
        audit(PLAN, scores, stream=stream(), claimed_epsilon=1.0)


# --- false alarms ---


def at_most(alarms, runs, level):
    """Whether so many alarms fit a rate of at most `level`, up to 4 standard errors."""
    return alarms <= runs * level + 4 * math.sqrt(runs * level * (1 - level))


def test_a_mechanism_that_releases_nothing_raises_no_more_false_alarms_than_promised():
    plan, alarms = replace(PLAN, scores=("a", "b", "c")), 0
    for seed in range(1000):
        scores = dict(zip(plan.scores, rng(seed).normal(size=(3, 1000)), strict=True))
        found = audit(plan, scores, stream=stream(seed), claimed_epsilon=0.0)
        alarms += any(each.refuted for each in found)  # of all scores together
        assert [each.refuted for each in found] == [each.epsilon_low > 0 for each in found]
    assert at_most(alarms, 1000, 0.05)


def test_a_threshold_chosen_after_the_fact_would_raise_many():
    alarms = 0
    for seed in range(100):
        scores, inserted = rng(seed).normal(size=1000), toss_coins(PLAN, stream(seed))
        right = np.cumsum(inserted[np.argsort(-scores)])
        every = range(20, 1001, 20)
        alarms += any(
            p_value(canaries=1000, guesses=k, right=int(right[k - 1]), epsilon=0.0, delta=0.0) < 0.05
            for k in every
        )
    assert alarms > 0.2 * 100


def test_randomised_response_at_its_own_eps_is_refuted_as_often_as_the_level_says():
    plan, eps, alarms = replace(PLAN, delta=0.0), 1.0, 0
    for seed in range(2000):
        draw, inserted = rng(seed), toss_coins(plan, stream(seed))
        answers = inserted ^ (draw.random(1000) > 1 / (1 + math.exp(-eps)))
        alarms += plan.bound(count_right(plan, answers + draw.random(1000), inserted)) > eps
    assert at_most(alarms, 2000, 0.05)
    assert alarms > 0.015 * 2000  # the bound is sharp, but for whole guesses


def gaussian_epsilon(mu, delta):
    """Return eps of a Gaussian mechanism with sensitivity mu and noise 1 (Balle and Wang 2018, theorem 5)."""

    def excess(eps):
        return norm.cdf(mu / 2 - eps / mu) - math.exp(eps) * norm.cdf(-mu / 2 - eps / mu) - delta

    return brentq(excess, 0, 200)


@pytest.mark.parametrize(("mu", "seen"), [(0.5, 0.05), (1.0, 0.5), (2.0, 1.7), (4.0, 3.0)])
def test_the_bound_on_a_gaussian_mechanism_is_below_its_eps_and_not_vacuous(mu, seen):
    truth = gaussian_epsilon(mu, PLAN.delta)
    assert epsilon(noise_multiplier=1 / mu, sampling_rate=1.0, steps=1, delta=PLAN.delta) == pytest.approx(
        truth, rel=5e-3
    )
    bounds = []
    for seed in range(200):
        inserted = toss_coins(PLAN, stream(seed))
        bounds.append(PLAN.bound(count_right(PLAN, mu * inserted + rng(seed).normal(size=1000), inserted)))
    assert at_most(sum(bound > truth for bound in bounds), 200, 0.05)
    assert np.median(bounds) > seen


# --- mechanisms with sampling, and with bugs ---


def bounds_of(toy, plan, runs):
    found = []
    for seed in range(runs):
        inserted = toss_coins(plan, stream(seed))
        found.append(plan.bound(count_right(plan, likelihood_scores(toy, inserted, rng(seed)), inserted)))
    return np.array(found)


def claimed(toy, plan):
    return epsilon(
        noise_multiplier=toy.noise_multiplier,
        sampling_rate=toy.sampling_rate,
        steps=toy.batches,
        delta=plan.delta,
    )


@pytest.mark.parametrize(("noise", "seen"), [(1.0, 0.1), (0.6, 1.0)])
def test_the_bound_on_sampled_and_composed_steps_is_below_their_eps_and_not_vacuous(noise, seen):
    toy = replace(TOY, noise_multiplier=noise)
    bounds = bounds_of(toy, TOY_PLAN, 20)
    assert bounds.max() < claimed(toy, TOY_PLAN)
    assert np.median(bounds) > seen


@pytest.mark.parametrize("bug", [{"noisy": False}, {"clipped": "mean"}, {"updates": 5}])
def test_every_planted_bug_is_flagged(bug):
    # No noise; clipped after summing; a sample reused without a charge. Power: `benchmarks/audit.py`.
    assert (bounds_of(replace(TOY, **bug), TOY_PLAN, 20) > claimed(TOY, TOY_PLAN)).sum() >= 19


def test_a_toys_releases_are_the_mechanisms_they_are_named_for():
    inserted = np.arange(40) % 2 == 0
    exact = replace(TOY, noisy=False, raw_norm=7.0, sampling_rate=0.3, updates=2)
    means, divisor = zip(*released(exact, inserted, rng()), strict=True)
    sums = np.concatenate(means) * np.concatenate(divisor)
    assert sums.shape == (200, 2, 40)
    assert (sums[:, 0] == sums[:, 1]).all()  # one sample
    np.testing.assert_allclose(np.unique(sums), [0, 1], atol=1e-6)  # clipped to 1
    assert not sums[:, :, ~inserted].any()
    assert abs((sums[:, 0, inserted] > 0.5).mean() - 0.3) < 5 * math.sqrt(0.3 * 0.7 / 4000)
    short = np.concatenate([m * d for m, d in released(replace(exact, raw_norm=0.5), inserted, rng())])
    assert short.max() == pytest.approx(0.5)
    noisy = np.concatenate(
        [m * d for m, d in released(replace(TOY, updates=2), ~inserted[:1] & False, rng())]
    )
    assert noisy.std() == pytest.approx(1.0, abs=5 / math.sqrt(2 * 400))
    assert abs(np.corrcoef(noisy[:, 0, 0], noisy[:, 1, 0])[0, 1]) < 5 / math.sqrt(200)  # noise is fresh


def test_clipping_after_the_sum_lets_one_unit_move_it_by_several_clipping_norms():
    toy = replace(TOY, noisy=False, clipped="mean")
    sums = np.concatenate([m * d for m, d in released(toy, np.ones(10, bool), rng())])
    # 32 orthogonal gradients have a norm of 50 sqrt(32), which is clipped to 32.
    assert np.median(sums[sums > 0]) == pytest.approx(math.sqrt(32), rel=0.1)


def test_dividing_by_the_drawn_size_tells_the_size():
    toy = replace(TOY, divided_by="drawn")
    ((_, divisor),) = released(toy, np.zeros(4, bool), rng())
    assert divisor.mean() == pytest.approx(32, abs=5 * math.sqrt(32 / 200))
    assert divisor.std() > 4


def test_the_published_mechanism_does_not_keep_the_eps_that_was_printed_for_it():
    # Five critic updates on one sample, divided by the drawn size, as in the paper's code, but fewer batches,
    # so that 2,000 canaries can tell (`benchmarks/audit.py` has the paper's own numbers).
    toy = Toy(
        noise_multiplier=0.8, sampling_rate=0.002, batches=4000, others=16_000, raw_norm=50.0, updates=5,
        divided_by="drawn",
    )  # fmt: skip
    plan = replace(PLAN, canaries=2000, guesses_in=250, guesses_out=0)
    run = {"noise_multiplier": 0.8, "sampling_rate": 0.002, "steps": 20_000, "delta": plan.delta}
    (bound,) = bounds_of(toy, plan, 1)
    assert epsilon_published(**run) < bound < epsilon_reused(**run, critic_steps=5)


def test_a_likelihood_ratio_is_the_ratio_of_its_densities():
    sums, shift, noise, rate = np.linspace(-3, 4, 15), 0.8, 0.7, 0.1
    without = norm.pdf(sums, scale=noise)
    with_it = (1 - rate) * without + rate * norm.pdf(sums, loc=shift, scale=noise)
    found = log_likelihood(shift * sums / noise**2, shift**2 / noise**2, sampling_rate=rate)
    np.testing.assert_allclose(found, np.log(with_it / without))


# --- canaries in a run ---

CRITIC = replace(SHAPE, critic_norm="none")
PRIVATE = replace(
    TRAINING, batch=8, steps_per_epoch=20, epochs=1, kept_epochs=(1,), noise_multiplier=1.0,
    clipping_norm=0.01,
)  # fmt: skip


def genuine(n=80, seed=5):
    draw = rng(seed)
    images = draw.uniform(-1, 1, (n, 12, 12)).astype(np.float32)
    return images, draw.random((n, 12, 12)) < 0.3, np.arange(n) % 8


@pytest.mark.parametrize("kind", KINDS)
def test_canaries_are_patches_and_no_two_are_alike(kind):
    given = {"canaries": 60, "size": 12, "reference": genuine()[:2]}
    images, labels = draw_canaries(kind, rng=rng(), **given)
    assert images.shape == labels.shape == (60, 12, 12)
    assert (images.dtype, labels.dtype) == (np.float32, bool)
    assert -1 <= images.min() <= images.max() <= 1
    assert len({(a.tobytes(), b.tobytes()) for a, b in zip(images, labels, strict=True)}) == 60
    np.testing.assert_array_equal(images, draw_canaries(kind, rng=rng(), **given)[0])
    assert (images != draw_canaries(kind, rng=rng(1), **given)[0]).any()


def test_a_dirac_canary_is_one_bright_pixel_and_one_of_vessel():
    images, labels = draw_canaries("dirac", canaries=50, size=12, rng=rng())
    assert ((images == 1).sum(axis=(1, 2)) == 1).all()
    assert ((images == -1).sum(axis=(1, 2)) == 143).all()
    assert (labels.sum(axis=(1, 2)) == 1).all()


def test_all_dirac_canaries_there_are_can_be_drawn():
    images, labels = draw_canaries("dirac", canaries=81, size=3, rng=rng())
    places = images.reshape(81, 9).argmax(axis=1) * 9 + labels.reshape(81, 9).argmax(axis=1)
    assert sorted(places) == list(range(81))


def test_no_mislabelled_canary_keeps_its_own_label():
    images, labels = genuine()[:2]
    mixed, wrong = draw_canaries("mislabelled", canaries=80, size=12, rng=rng(), reference=(images, labels))
    own = {image.tobytes(): label for image, label in zip(images, labels, strict=True)}
    assert all((own[a.tobytes()] != b).any() for a, b in zip(mixed, wrong, strict=True))


def test_canaries_that_cannot_be_made_are_refused():
    with pytest.raises(ValueError, match="dirac, noise, mislabelled, not 'loud'"):
        draw_canaries("loud", canaries=3, size=12, rng=rng())
    with pytest.raises(ValueError, match="81 mislabelled canaries need as many reference patches"):
        draw_canaries("mislabelled", canaries=81, size=12, rng=rng(), reference=genuine()[:2])


@pytest.mark.parametrize("copies", [1, 3])
def test_an_inserted_canary_is_a_patient_of_its_own_with_equal_patches(copies):
    images, labels, patients = genuine()
    canaries, inserted = (
        draw_canaries("noise", canaries=5, size=12, rng=rng()),
        np.array([1, 0, 1, 0, 0], bool),
    )
    more = insert(images, labels, patients, canaries=canaries, inserted=inserted, copies=copies)
    for before, after in zip((images, labels, patients), more, strict=True):
        np.testing.assert_array_equal(after[:80], before)
        assert len(after) == 80 + 2 * copies
        assert after.dtype == before.dtype
    assert more[2][80:].tolist() == [8] * copies + [9] * copies
    for i, canary in enumerate((0, 2)):
        assert (more[0][80 + i * copies : 80 + (i + 1) * copies] == canaries[0][canary]).all()
        assert (more[1][80 + i * copies : 80 + (i + 1) * copies] == canaries[1][canary]).all()


@pytest.mark.parametrize("norm_of_critic", ["none", "instance"])
@pytest.mark.parametrize("centred", [False, True])
def test_a_canarys_gradient_is_what_the_mechanism_adds_for_it(norm_of_critic, centred):
    critic = Critic(replace(SHAPE, critic_norm=norm_of_critic))
    initialise(critic, torch.Generator().manual_seed(1), largest=math.inf)
    pairs = torch.randn(4, 2, 12, 12, generator=torch.Generator().manual_seed(2))
    fakes = [
        0.1 * torch.randn(p.shape, generator=torch.Generator().manual_seed(3)) for p in critic.parameters()
    ]
    centre = fakes if centred else None
    for clipping_norm in (0.3, 1e6):
        found = clipped_gradients(critic, pairs, clipping_norm=clipping_norm, centre=centre)
        for i in range(4):
            sums = BookKeeping(critic).sums(
                pairs[i : i + 1],
                -torch.ones(1),
                Bound(clipping_norm, centre=[-each for each in fakes] if centred else None),
            )
            whole = torch.cat([each.flatten() for each in sums]).float()
            torch.testing.assert_close(found[i], whole, rtol=1e-3, atol=1e-5 * whole.norm().item())


def test_the_matched_filter_is_the_likelihood_ratio_against_noise_and_other_canaries():
    own, total = rng(1).normal(size=(5, 12)), rng(2).normal(size=12)
    noise, rate = 0.7, 0.2
    found = matched_filter(own @ own.T, own @ total, noise_multiplier=noise, sampling_rate=rate)
    for i in range(5):
        others = np.delete(own, i, axis=0)
        precision = np.linalg.inv(noise**2 * np.eye(12) + rate / 2 * (1 - rate / 2) * others.T @ others)
        left = total - rate / 2 * others.sum(axis=0)
        ratio = math.exp(own[i] @ precision @ left - own[i] @ precision @ own[i] / 2)
        assert found[i] == pytest.approx(math.log(1 - rate + rate * ratio))


def watched_run(training, *, canaries, plan, shape=CRITIC, watch=True):
    """Train on genuine patches and inserted canaries; return the gan, the canaries' scores and eps."""
    pixels = draw_canaries("noise", canaries=canaries, size=12, rng=rng(3))
    copies = training.patient_patches if training.by_patient else 1
    images, labels, patients = genuine()
    training = replace(training, units=8 + canaries // 2 if training.by_patient else 80)
    inserted = toss_coins(plan, stream())
    whole = insert(images, labels, patients, canaries=pixels, inserted=inserted, copies=copies)
    on = {"device": "cpu", "background": 0.0}
    data = Pairs(whole[0], whole[1], patients=whole[2], **on)
    probes = Pairs(*pixels, patients=np.arange(canaries), **on).take(np.arange(canaries))
    gan = Gan(shape, training, stream=stream(9), device="cpu")
    steps = training.steps
    if not watch:
        for _ in range(steps):
            gan.advance(data)
        return gan, None, None
    watch = GradientWatch(probes, genuine=len(images), score_every=1)
    with watch.open(gan, data):
        for _ in range(steps):
            gan.advance(data)
    assert "take" not in vars(data)  # nothing is left behind
    assert not gan.generator._forward_hooks
    assert not gan.optimisers["critic"]._optimizer_step_pre_hooks
    spent = epsilon(
        noise_multiplier=training.noise_multiplier,
        sampling_rate=training.sampling_rate,
        steps=steps * training.critic_steps,
        delta=plan.delta,
    )
    return gan, watch.scores, spent


SMALL = Plan(canaries=40, guesses_in=16, guesses_out=0, scores=("gradient",), delta=1e-4, confidence=0.95)


@pytest.mark.parametrize("fakes", ["per-sample", "common", "centre"])
@pytest.mark.parametrize("unit", ["patch", "patient"])
def test_released_gradients_betray_the_canaries_where_there_is_next_to_no_noise(fakes, unit):
    training = replace(PRIVATE, fake_clipping=fakes, unit=unit, noise_multiplier=0.02)
    _, scores, spent = watched_run(training, canaries=40, plan=SMALL)
    (found,) = audit(SMALL, {"gradient": scores}, stream=stream(), claimed_epsilon=1.0)
    assert found.refuted
    assert found.right == 16
    assert found.epsilon_low < spent


def test_with_its_noise_the_run_keeps_its_promise():
    _, scores, spent = watched_run(PRIVATE, canaries=40, plan=SMALL)
    (found,) = audit(SMALL, {"gradient": scores}, stream=stream(), claimed_epsilon=spent)
    assert scores.std() > 0
    assert not found.refuted
    assert found.epsilon_low < spent


def test_watching_changes_nothing_in_training():
    watched, *_ = watched_run(PRIVATE, canaries=40, plan=SMALL)
    alone, *_ = watched_run(PRIVATE, canaries=40, plan=SMALL, watch=False)
    for one, other in ((watched.generator, alone.generator), (watched.critic, alone.critic)):
        for name, value in one.state_dict().items():
            assert torch.equal(value, other.state_dict()[name]), name


def test_a_run_that_promises_nothing_is_not_scored():
    training = replace(PRIVATE, noise_multiplier=None)
    pixels = draw_canaries("noise", canaries=4, size=12, rng=rng(3))
    data = Pairs(*genuine()[:2], patients=genuine()[2], device="cpu", background=0.0)
    probes = Pairs(*pixels, patients=np.arange(4), device="cpu", background=0.0).take(np.arange(4))
    gan = Gan(CRITIC, training, stream=stream(9), device="cpu")
    watch = GradientWatch(probes, genuine=len(data), score_every=1)
    with watch.open(gan, data):
        gan.advance(data)
    assert not watch.scores.any()


def test_scoring_every_third_step_adds_up_a_third_of_the_steps():
    """A watch that is stopped goes on where it was, so its steps are counted over the whole run."""
    scored = {}
    for every in (1, 3):
        pixels = draw_canaries("noise", canaries=6, size=12, rng=rng(3))
        data = Pairs(*genuine()[:2], patients=genuine()[2], device="cpu", background=0.0)
        probes = Pairs(*pixels, patients=np.arange(6), device="cpu", background=0.0).take(np.arange(6))
        gan = Gan(CRITIC, PRIVATE, stream=stream(9), device="cpu")
        watch, totals = GradientWatch(probes, genuine=len(data), score_every=every), []
        for _ in range(3):
            again = GradientWatch(probes, genuine=len(data), score_every=every)
            again.restore(watch.state())
            watch = again
            with watch.open(gan, data):
                gan.advance(data)
            totals.append(watch.scores.copy())
        scored[every] = totals
    steps = PRIVATE.critic_steps
    assert steps == 2  # steps 0 1 | 2 3 | 4 5: every third are 0 and 3
    assert not np.array_equal(scored[3][0], scored[3][1])
    assert np.array_equal(scored[3][1], scored[3][2])
    assert not np.array_equal(scored[1][1], scored[1][2])


def test_a_large_critic_scores_canaries_in_parts_as_if_there_were_no_others(monkeypatch):
    _, whole, _ = watched_run(PRIVATE, canaries=40, plan=SMALL)
    monkeypatch.setattr(canaries_module, "HELD_NUMBERS", 1)
    _, single, _ = watched_run(PRIVATE, canaries=40, plan=SMALL)
    assert not np.array_equal(single, whole)
    assert np.corrcoef(single, whole)[0, 1] > 0.9
