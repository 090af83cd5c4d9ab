"""Intervals and paired tests over patients, against closed forms and brute force."""

from itertools import product

import numpy as np
import pytest

from privessel.scores.significance import adjust_holm, bootstrap_mean, signed_rank_p, smallest_p

PATIENTS = np.random.default_rng(0).normal(0.6, 0.1, 14)


def test_interval_of_many_patients_is_the_normal_one():
    values = np.random.default_rng(1).normal(0.6, 0.1, 400)
    half = 1.96 * values.std() / np.sqrt(len(values))
    expected = values.mean() - half, values.mean() + half
    np.testing.assert_allclose(bootstrap_mean(values, seed=1), expected, atol=0.05 * half)


def test_interval_of_four_patients_has_the_percentiles_of_all_resamples():
    values = [0.1, 0.2, 0.4, 0.8]
    means = [np.mean(drawn) for drawn in product(values, repeat=4)]
    np.testing.assert_allclose(bootstrap_mean(values, seed=1), np.quantile(means, [0.025, 0.975]), atol=0.03)


def test_interval_covers_the_true_mean_of_14_patients_about_as_often_as_it_says():
    rng = np.random.default_rng(2)
    found = [bootstrap_mean(rng.normal(0.5, 0.1, 14), seed=3) for _ in range(150)]
    covered = np.mean([low < 0.5 < high for low, high in found])
    assert 0.86 < covered < 0.98  # percentile intervals of so few are a little too narrow


def test_interval_of_alike_patients_is_their_score():
    assert bootstrap_mean([0.3] * 5, seed=1) == (0.3, 0.3)


def test_interval_depends_on_the_seed_but_not_on_the_order_of_patients_or_on_missing_ones():
    assert bootstrap_mean(PATIENTS, seed=1) == bootstrap_mean([*PATIENTS[::-1], np.nan], seed=1)
    assert bootstrap_mean(PATIENTS, seed=1) != bootstrap_mean(PATIENTS, seed=2)


@pytest.mark.parametrize("values", [[], [0.5], [0.5, 0.6], [0.5, 0.6, np.nan]])
def test_fewer_than_three_patients_have_no_interval(values):
    assert np.isnan(bootstrap_mean(values, seed=1)).all()


def brute_force(differences):
    """Two-sided p of the signed ranks by trying every sign; no ties, no zeros."""
    ranks = np.argsort(np.argsort(np.abs(differences))) + 1
    sums = np.array([np.dot(ranks, signs) for signs in product((0, 1), repeat=len(ranks))])
    own = ranks[np.asarray(differences) > 0].sum()
    return min(1, 2 * min((sums <= own).mean(), (sums >= own).mean()))


@pytest.mark.parametrize("patients", [1, 2, 3, 5, 8])
def test_signed_rank_test_is_exact_for_few_patients(patients):
    differences = np.random.default_rng(patients).normal(0.3, 1, patients)
    assert signed_rank_p(differences) == pytest.approx(brute_force(differences))


@pytest.mark.parametrize("patients", [1, 2, 3, 6, 14])
def test_smallest_p_is_reached_when_all_patients_agree(patients):
    differences = np.linspace(0.1, 0.9, patients)
    assert signed_rank_p(differences) == pytest.approx(smallest_p(patients))
    assert signed_rank_p(-differences) == pytest.approx(smallest_p(patients))


def test_patients_without_a_difference_take_no_part():
    assert signed_rank_p([0, 0, 0]) == 1
    assert signed_rank_p([0, 0.1, 0.2, 0.3]) == signed_rank_p([0.1, 0.2, 0.3]) == 0.25
    assert signed_rank_p([0.1, 0.1, 0.1]) == 0.25
    assert np.isnan(signed_rank_p([]))
    assert np.isnan(signed_rank_p([np.nan]))


def test_holm_rejects_what_its_step_down_rule_rejects():
    rng = np.random.default_rng(4)
    for _ in range(50):
        p = rng.random(6) ** 3
        rejected = np.zeros(6, bool)
        for k, index in enumerate(np.argsort(p)):
            if p[index] >= 0.05 / (6 - k):
                break
            rejected[index] = True
        np.testing.assert_array_equal(adjust_holm(p) < 0.05, rejected)


def test_holm_of_known_values_keeps_their_places_and_leaves_missing_ones_out():
    # As R's p.adjust(c(0.04, 0.01, 0.03), "holm").
    np.testing.assert_allclose(adjust_holm([0.04, np.nan, 0.01, 0.03]), [0.06, np.nan, 0.03, 0.06])
    assert adjust_holm([]).size == 0
    assert adjust_holm([0.9, 0.8]).tolist() == [1, 1]


def test_nine_patients_are_the_fewest_that_can_show_one_difference_of_eight():
    assert 8 * smallest_p(9) < 0.05 < 8 * smallest_p(8)
