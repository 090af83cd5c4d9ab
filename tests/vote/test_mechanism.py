"""The private choice of a vote: its probabilities against the promise, and its draws against them."""

import itertools
import math
import random
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from privessel.privacy.keys import Stream
from privessel.vote.mechanism import Bits, draw, expect, probabilities, toss_exponential
from privessel.vote.ranks import Count, add_ranks, rank


def bits(seed=0, purpose="vote"):
    return Bits(Stream(bytes([seed]) * 32), purpose)


def random_counts(candidates, rng):
    """Scores of one patient: some candidates are equal, and some mark nothing."""
    kinds = [Count(rng.randrange(9), rng.randrange(1, 5), rng.randrange(9)) for _ in range(3)]
    kinds.append(Count(0, 0, rng.randrange(1, 9)))
    return [
        rng.choice(kinds) if rng.random() < 0.5 else Count(rng.randrange(500), rng.randrange(500), 7)
        for _ in range(candidates)
    ]


# --- Ranks


def test_ranks_lie_between_0_and_1_and_do_not_tell_how_large_the_differences_are():
    near = [Count(100, 1, 0), Count(100, 2, 0), Count(100, 3, 0)]
    far = [Count(100, 1, 0), Count(50, 50, 50), Count(1, 100, 100)]
    assert rank(near) == rank(far) == [1, Fraction(1, 2), 0]


def test_ranks_are_those_of_a_sort_with_ties_averaged():
    rng = random.Random(3)
    for _ in range(200):
        counts = random_counts(rng.randrange(2, 9), rng)
        keys = [float(one.dsc) if one.marks else -1.0 for one in counts]
        expected = (stats.rankdata(keys, method="average") - 1) / (len(keys) - 1)
        assert np.allclose([float(one) for one in rank(counts)], expected)


def test_a_candidate_that_marks_nothing_is_last_also_behind_one_without_a_right_pixel():
    assert rank([Count(0, 0, 5), Count(0, 9, 5)]) == [0, 1]
    assert rank([Count(0, 0, 0), Count(0, 9, 0)]) == [0, 1]


def test_a_vote_without_a_choice_is_refused():
    with pytest.raises(ValueError, match="two candidates"):
        rank([Count(1, 1, 1)])


# --- The promise


@pytest.mark.parametrize("epsilon", ["0.1", "0.5", "1", "3", "8"])
def test_over_every_patient_left_out_the_odds_of_no_candidate_change_by_more_than_eps(epsilon):
    eps, rng, worst = Fraction(epsilon), random.Random(11), 0.0
    for _ in range(60):
        patients, candidates = rng.randrange(1, 13), rng.randrange(2, 13)
        ranks = [rank(random_counts(candidates, rng)) for _ in range(patients)]
        whole = probabilities(add_ranks(ranks), epsilon=eps)
        for left_out in range(patients):
            others = [one for number, one in enumerate(ranks) if number != left_out]
            utilities = add_ranks(others) if others else [Fraction(0)] * candidates
            fewer = probabilities(utilities, epsilon=eps)
            for one, other in zip(whole, fewer, strict=True):
                worst = max(worst, abs((one / other).ln()))
    assert worst <= Decimal(epsilon) + Decimal("1e-50")
    assert worst > Decimal(epsilon) * Decimal("0.3")  # no factor is given away


def test_the_bound_is_reached_where_one_of_many_candidates_gains_alone():
    utilities = [Fraction(0)] * 4000
    more = [Fraction(1), *utilities[1:]]
    eps = Fraction(1)
    ratio = probabilities(more, epsilon=eps)[0] / probabilities(utilities, epsilon=eps)[0]
    assert 0.999 < ratio.ln() <= 1


def test_a_patient_replaced_by_another_changes_the_odds_by_up_to_2_eps():
    """The others all prefer the first candidate, as who goes does; who comes prefers the last."""
    others = [Fraction(20), Fraction(10), Fraction(0)]
    before, after = ([u + r for u, r in zip(others, ranks, strict=True)] for ranks in ((1, 0, 0), (0, 0, 1)))
    eps = Fraction(1)
    pair = zip(probabilities(before, epsilon=eps), probabilities(after, epsilon=eps), strict=True)
    worst = max(abs((one / other).ln()) for one, other in pair)
    assert 1.99 < worst <= 2


# --- The draw


@pytest.mark.parametrize("x", ["0", "1/7", "1", "5/2", "17/4"])
def test_a_coin_of_probability_exp_of_minus_x_is_exact_within_chance(x):
    rng, n = bits(int(Fraction(x).numerator)), 20_000
    heads = sum(toss_exponential(Fraction(x), rng) for _ in range(n))
    p = math.exp(-Fraction(x))
    assert stats.binomtest(heads, n, p).pvalue > 1e-4


@pytest.mark.parametrize("end", [1, 2, 3, 7, 64, 1000, 3 * 2**70])
def test_whole_numbers_below_any_end_are_equally_likely(end):
    rng = bits(9)
    numbers = [rng.below(end) for _ in range(6000)]
    assert min(numbers) >= 0
    assert max(numbers) < end
    parts = min(end, 8)
    found = np.bincount([number * parts // end for number in numbers], minlength=parts)
    ends = [-(-k * end // parts) for k in range(parts + 1)]
    expected = [6000 * float(Fraction(high - low, end)) for low, high in itertools.pairwise(ends)]
    assert parts == 1 or stats.chisquare(found, expected).pvalue > 1e-4


@pytest.mark.parametrize("epsilon", ["0.5", "1", "3"])
def test_draws_follow_the_exact_probabilities_by_chi_square(epsilon):
    rng = random.Random(5)
    utilities = add_ranks([rank(random_counts(6, rng)) for _ in range(8)])
    eps, n, source = Fraction(epsilon), 8000, bits(7)
    expected = np.array([float(p) for p in probabilities(utilities, epsilon=eps)]) * n
    drawn = np.bincount([draw(utilities, epsilon=eps, bits=source) for _ in range(n)], minlength=6)
    kept = expected >= 5
    observed = [*drawn[kept], drawn[~kept].sum()]
    wanted = [*expected[kept], expected[~kept].sum()]
    if wanted[-1] < 5:  # so rare candidates are counted with the likeliest
        observed, wanted = observed[:-1], wanted[:-1]
        observed[int(np.argmax(wanted))] += drawn[~kept].sum()
        wanted[int(np.argmax(wanted))] += expected[~kept].sum()
    assert stats.chisquare(observed, wanted).pvalue > 1e-4


def test_the_same_key_draws_the_same_candidate_and_other_keys_others():
    utilities = [Fraction(k, 5) for k in range(6)]
    drawn = [draw(utilities, epsilon=Fraction(1), bits=bits(seed)) for seed in range(40)]
    again = [draw(utilities, epsilon=Fraction(1), bits=bits(seed)) for seed in range(40)]
    assert drawn == again
    assert len(set(drawn)) > 3


# --- What a vote is worth


def test_the_expectation_is_the_mean_over_many_draws_and_the_quantile_theirs():
    utilities, values = [Fraction(0), Fraction(2), Fraction(3)], [0.2, 0.7, 0.6]
    mean, low = expect(values, utilities, epsilon=Fraction(1))
    weights = np.exp([0, 2, 3])
    assert mean == pytest.approx(np.average(values, weights=weights))
    assert low == 0.6  # 0.2 has a probability of 3.5 % only
    assert expect(values, utilities, epsilon=Fraction(1), share=0.03)[1] == 0.2
