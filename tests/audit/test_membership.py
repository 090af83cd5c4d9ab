"""Membership inference as a risk indicator: what each attack sees, and how sure its numbers are."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import norm
from sklearn.metrics import roc_auc_score, roc_curve
from tiny_gan import SHAPE

from privessel.audit import membership
from privessel.audit.membership import (
    as_points,
    critic_scores,
    density_scores,
    evaluate,
    nearest_distances,
    nearest_scores,
    roc,
)
from privessel.gan.nets import Critic, initialise
from privessel.gan.pairs import Pairs


def rng(seed=0):
    return np.random.default_rng(seed)


def cohort(*, patients=20, patches=30, shift=0.0, spread=0.0, seed=0):
    """Scores of `patients` on either side: members `shift` higher, patients `spread` apart."""
    draw = rng(seed)
    whose = np.repeat(np.arange(2 * patients), patches)
    member = whose < patients
    scores = draw.normal(size=len(whose)) + shift * member + spread * draw.normal(size=2 * patients)[whose]
    return scores, {"member": member, "patients": whose}


def test_nearest_distance_is_the_smallest_of_all_differences():
    points, others = rng(1).normal(size=(300, 5)), rng(2).normal(size=(40, 5))
    whole = np.sqrt(((points[:, None] - others) ** 2).sum(axis=2))
    np.testing.assert_allclose(nearest_distances(points, others), whole.min(axis=1))
    np.testing.assert_allclose(nearest_distances(points, others, neighbour=3), np.sort(whole, axis=1)[:, 2])
    with pytest.raises(ValueError, match="no neighbour 41 among 40"):
        nearest_distances(points, others, neighbour=41)


def test_gan_leaks_finds_patches_that_a_generator_copied():
    images, labels = rng(1).uniform(-1, 1, (80, 6, 6)).astype(np.float32), rng(2).random((80, 6, 6)) < 0.3
    points = as_points(images, labels)
    copies = points[:40] + 0.01 * rng(3).normal(size=(40, 72)).astype(np.float32)
    scores = nearest_scores(points, copies)
    assert scores[:40].min() > scores[40:].max()


def test_a_vessel_pixel_counts_as_much_as_the_whole_range_of_a_grey_one():
    label = np.zeros((2, 2, 2), bool)
    label[1, 0, 0] = True
    image = np.full((2, 2, 2), -1, np.float32)
    brighter = image.copy()
    brighter[1, 0, 0] = 1
    by_label = nearest_distances(*np.split(as_points(image, label), 2))
    by_image = nearest_distances(*np.split(as_points(brighter, label & False), 2))
    assert by_label == by_image == 2


def test_density_ratio_sees_a_member_where_patches_are_common_as_well_as_where_they_are_rare():
    # Two clouds, one a hundred times as wide: nearness alone favours the narrow one.
    draw = rng(4)
    spread = np.repeat([0.01, 1.0], 300)[:, None]

    def cloud():
        return spread * draw.normal(size=(600, 4))

    members, others, reference = cloud(), cloud(), cloud()
    synthetic = members + 0.2 * spread * draw.normal(size=(600, 4))
    member = np.arange(1200) < 600
    points = np.concatenate([members, others])
    ratio = density_scores(points, synthetic, reference, neighbours=1)
    assert roc_auc_score(member, ratio) > roc_auc_score(member, nearest_scores(points, synthetic)) + 0.1


def test_an_exact_copy_has_the_highest_finite_density_ratio():
    points = rng(5).normal(size=(6, 3))
    ratio = density_scores(points, points[:1], rng(6).normal(size=(6, 3)), neighbours=1)
    assert np.isfinite(ratio).all()
    assert ratio.argmax() == 0


def test_critic_scores_are_the_critics_whatever_the_batches(monkeypatch):
    critic = Critic(replace(SHAPE, critic_norm="none"))
    initialise(critic, torch.Generator().manual_seed(1), largest=math.inf)
    images, labels = rng(1).uniform(-1, 1, (11, 12, 12)).astype(np.float32), rng(2).random((11, 12, 12)) < 0.3
    pairs = Pairs(images, labels, patients=np.zeros(11, int), device="cpu", background=0.0)
    whole = critic(pairs.take(np.arange(11))).detach().numpy()
    monkeypatch.setattr(membership, "SCORED", 4)
    np.testing.assert_allclose(critic_scores(critic, pairs), whole, rtol=1e-4, atol=1e-6)


def test_auc_and_advantage_are_those_of_the_whole_curve_with_ties():
    scores, sides = cohort(shift=0.5)
    scores = np.round(scores, 1)
    patch, _, patient = evaluate(scores, **sides, rng=rng())
    false, true, _ = roc_curve(sides["member"], scores, drop_intermediate=False)
    assert patch.auc == pytest.approx(roc_auc_score(sides["member"], scores))
    assert patch.advantage == pytest.approx((true - false).max())
    means = scores.reshape(40, 30).mean(axis=1)
    assert patient.auc == pytest.approx(roc_auc_score(np.arange(40) < 20, means))
    assert (patient.members, patient.others, patch.members) == (20, 20, 600)


def test_auc_of_shifted_gaussians_is_the_closed_form(monkeypatch):
    monkeypatch.setattr(membership, "RESAMPLES", 10)
    scores, sides = cohort(patients=100, patches=100, shift=1.0)
    patch = evaluate(scores, **sides, rng=rng())[0]
    assert patch.auc == pytest.approx(norm.cdf(1 / math.sqrt(2)), abs=0.01)
    assert patch.advantage == pytest.approx(2 * norm.cdf(0.5) - 1, abs=0.015)
    assert patch.advantage_chance < 0.1


def test_scores_that_know_nothing_stay_below_what_chance_gives(monkeypatch):
    monkeypatch.setattr(membership, "RESAMPLES", 200)
    below = 0
    for seed in range(40):
        scores, sides = cohort(patches=5, spread=1.0, seed=seed)
        attack = evaluate(scores, **sides, rng=rng(seed))[1]
        assert attack.advantage > 0  # a maximum over thresholds: never 0, whence the comparison with chance
        below += attack.advantage <= attack.advantage_chance
    assert below >= 34


def test_intervals_over_patients_hold_where_those_over_patches_do_not(monkeypatch):
    # Patients differ more than their patches do, so 30 patches of one are not 30 strangers.
    monkeypatch.setattr(membership, "RESAMPLES", 300)
    truth = norm.cdf(1 / math.sqrt(2 * (1 + 1)))
    held = {"patch": 0, "patient": 0}
    for seed in range(60):
        scores, sides = cohort(patients=30, shift=1.0, spread=1.0, seed=seed)
        for attack in evaluate(scores, **sides, rng=rng(seed))[:2]:
            held[attack.resampled] += attack.auc_low <= truth <= attack.auc_high
    assert held["patient"] >= 53
    assert held["patch"] <= 30


def test_two_patients_give_no_interval():
    scores, sides = cohort(patients=2)
    patch, by_patient, patient = evaluate(scores, **sides, rng=rng())
    assert patch.auc_low < patch.auc < patch.auc_high
    assert all(math.isnan(each) for each in (by_patient.auc_low, patient.auc_high, patient.advantage_low))
    assert np.isnan(roc(scores, **sides, rates=np.array([0.1]), rng=rng())[1]).all()


def test_the_curve_passes_through_the_attackers_true_positive_rates_within_its_band():
    scores, sides = cohort(patients=40, patches=50, shift=1.0)
    rates = np.array([0.01, 0.1, 0.5])
    true, low, high = roc(scores, **sides, rates=rates, rng=rng())
    np.testing.assert_allclose(true, norm.cdf(norm.ppf(rates) + 1), atol=0.05)
    assert (low < true).all()
    assert (true < high).all()


def test_equal_generators_give_equal_intervals(monkeypatch):
    monkeypatch.setattr(membership, "RESAMPLES", 200)
    scores, sides = cohort()
    assert evaluate(scores, **sides, rng=rng(3)) == evaluate(scores, **sides, rng=rng(3))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"member": np.ones(1200, bool)}, "there is only one of the two"),
        ({"patients": np.zeros(1200, int)}, "patients 0 are members and others at the same time"),
    ],
)
def test_an_attack_needs_members_and_others_apart(change, said):
    scores, sides = cohort()
    with pytest.raises(ValueError, match=said):
        evaluate(scores, **(sides | change), rng=rng())
