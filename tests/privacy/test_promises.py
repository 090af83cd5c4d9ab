"""What is promised to a patient, a region and a patch: against closed forms, simulations, known numbers."""

import math

import numpy as np
import pytest
from one_patient import patient_epsilon
from scipy.stats import binom, norm

from privessel.errors import PrivacyError
from privessel.limits import readable
from privessel.privacy.accounting import Charge, composed_epsilon, epsilon, loss_above_epsilon
from privessel.privacy.levels import inside, inside_epsilon
from privessel.privacy.patient import group_epsilon, group_loss_above_epsilon
from privessel.privacy.promises import Sizes, state_promises

pytestmark = pytest.mark.slow  # left out of make test-fast

DEMO = Charge(0.65, 512 / 40_000, 900)  # 10 patients with 4,000 patches each
DEMO_DELTA = 2.4e-6
SMALL = Sizes(patients=10, patches_per_patient=50, region_patches=3)


RUN = Charge(2.0, 0.01, 100)


def promises(charges=(RUN,), *, unit="patch", sizes=SMALL, **deltas):
    return state_promises(charges, unit=unit, sizes=sizes, **{"delta": 1e-5, "patient_delta": 1e-5} | deltas)


# --- Regions


def test_a_vessel_voxel_in_21_of_the_demo_s_4000_patches_has_eps_296_where_a_patch_has_7_67():
    demo = Sizes(patients=10, patches_per_patient=4_000, region_patches=21)
    found = promises([DEMO], sizes=demo, delta=DEMO_DELTA)
    assert found["patch"]["epsilon"] == pytest.approx(7.67, rel=0.005)
    assert found["region"]["epsilon"] == pytest.approx(296, rel=0.01)
    assert found["patient"]["epsilon"] > 1e5
    assert found["patient"]["loss_above_epsilon"] is None
    told = found["region"]["sentence"]
    assert "eps 296 at delta 2.4e-06 (one place on a vessel lies in up to 21 patches" in told
    assert "vacuous" in told
    assert "vacuous" not in found["patch"]["sentence"]


def test_more_patches_a_patient_make_a_patch_s_eps_smaller_and_leave_a_region_where_it_was():
    """Same scans, same noise: four times the patches cover a place four times as often."""
    few, many = Charge(0.65, 512 / 10_000, 900), Charge(0.65, 512 / 40_000, 900)
    patch = [composed_epsilon([charge], delta=DEMO_DELTA) for charge in (few, many)]
    region = [group_epsilon([charge], patches=k, delta=DEMO_DELTA) for charge, k in ((few, 5), (many, 20))]
    assert patch[1] < patch[0] / 3
    assert region[1] > 0.6 * region[0]


def test_a_group_of_one_is_a_patch_and_more_patches_cost_more():
    run = Charge(2.0, 0.01, 100)
    spent = [group_epsilon([run], patches=k, delta=1e-5) for k in (1, 2, 4, 8)]
    assert spent[0] == composed_epsilon([run], delta=1e-5)
    assert spent == sorted(spent)
    assert len(set(spent)) == 4


def test_a_group_in_one_step_is_what_its_definition_says():
    """delta(eps) of one step, integrated numerically: k patches sampled one by one, all gradients equal."""
    noise, rate, k, delta = 0.9, 0.2, 5, 1e-4
    x = np.linspace(-12, 20, 400_001)
    out = norm.pdf(x, scale=noise)
    there = sum(binom.pmf(j, k, rate) * norm.pdf(x - j, scale=noise) for j in range(k + 1))
    found = group_epsilon([Charge(noise, rate, 1)], patches=k, delta=delta)

    def excess(eps):
        step = x[1] - x[0]
        return max(
            np.maximum(there - math.exp(eps) * out, 0).sum(), np.maximum(out - math.exp(eps) * there, 0).sum()
        ) * step  # fmt: skip

    assert excess(found) <= delta * 1.001
    assert excess(found / 1.02) > delta


def test_two_runs_on_one_region_cost_more_than_either_and_less_than_their_sum():
    one, other = Charge(2.0, 0.01, 100), Charge(3.0, 0.02, 50)
    both = group_epsilon([one, other], patches=3, delta=1e-5)
    alone = [group_epsilon([charge], patches=3, delta=1e-5 / 2) for charge in (one, other)]
    assert max(alone) * 0.98 < both < sum(alone)
    split = group_epsilon([Charge(2.0, 0.01, 60), Charge(2.0, 0.01, 40)], patches=3, delta=1e-5)
    assert split == group_epsilon([one], patches=3, delta=1e-5)


def test_runs_that_used_other_numbers_of_patches_count_with_their_own():
    charges, delta = [Charge(8.0, 0.05, 10), Charge(4.0, 0.01, 50)], 1e-5
    few, own, many = (group_epsilon(charges, patches=n, delta=delta) for n in (4, (4, 20), 20))
    assert few < own < many
    assert own == group_epsilon(charges[::-1], patches=(20, 4), delta=delta)
    same = group_epsilon(charges, patches=(20, 20), delta=delta)
    assert same == many
    # Without sampling a group is one patch with as much less noise, in each run by its own number.
    full = [Charge(40.0, 1.0, 3), Charge(60.0, 1.0, 2)]
    expected = composed_epsilon([Charge(10.0, 1.0, 3), Charge(12.0, 1.0, 2)], delta=delta)
    assert group_epsilon(full, patches=(4, 5), delta=delta) == expected
    with pytest.raises(ValueError, match="1 patch or more"):
        group_epsilon(charges, patches=(4, 0), delta=delta)


def test_where_all_take_part_in_every_step_a_group_is_one_patch_with_as_much_less_noise():
    assert group_epsilon([Charge(20.0, 1.0, 4)], patches=5, delta=1e-5) == epsilon(
        noise_multiplier=4.0, sampling_rate=1.0, steps=4, delta=1e-5
    )


# --- P[privacy loss > eps]


@pytest.mark.parametrize("noise", [0.7, 1.0, 4.0])
@pytest.mark.parametrize("delta", [1e-3, 1e-6])
@pytest.mark.parametrize("steps", [1, 9])
def test_the_chance_of_a_larger_loss_is_that_of_the_closed_form_without_sampling(noise, delta, steps):
    """The loss of a Gaussian mechanism is normal, with mean mu^2/2 and SD mu = sqrt(steps) / noise."""
    run = Charge(noise, 1.0, steps)
    mu, spent = math.sqrt(steps) / noise, composed_epsilon([run], delta=delta)
    exact = norm.sf((spent - mu**2 / 2) / mu)
    assert exact <= loss_above_epsilon([run], delta=delta) <= 1.03 * exact
    assert exact > delta


@pytest.mark.parametrize("steps", [1, 30])
def test_the_chance_of_a_larger_loss_is_that_of_simulated_sampled_steps(steps):
    noise, rate, delta, trials = 0.8, 0.05, 1e-3, 200_000
    run, rng = Charge(noise, rate, steps), np.random.default_rng(0)
    loss = np.zeros(trials)
    for _ in range(steps):
        drawn = noise * rng.normal(size=trials) + (rng.random(trials) < rate)
        loss += np.log1p(rate * np.expm1((2 * drawn - 1) / (2 * noise**2)))
    simulated = (loss > composed_epsilon([run], delta=delta)).mean()
    error = math.sqrt(simulated / trials)
    assert abs(loss_above_epsilon([run], delta=delta) - simulated) < 4 * error + 0.02 * simulated


def test_the_chance_of_a_larger_loss_of_a_group_is_that_of_simulated_steps():
    noise, rate, k, delta, trials, steps = 1.5, 0.05, 4, 1e-3, 200_000, 10
    run, rng = Charge(noise, rate, steps), np.random.default_rng(1)
    chances, loss = binom.pmf(np.arange(k + 1), k, rate), np.zeros(trials)
    for _ in range(steps):
        drawn = noise * rng.normal(size=trials) + rng.binomial(k, rate, trials)
        ratios = (p * np.exp((2 * j * drawn - j**2) / (2 * noise**2)) for j, p in enumerate(chances))
        loss += np.log(sum(ratios))
    simulated = (loss > group_epsilon([run], patches=k, delta=delta)).mean()
    found = group_loss_above_epsilon([run], patches=k, delta=delta)
    assert abs(found - simulated) < 4 * math.sqrt(simulated / trials) + 0.05 * simulated


def test_in_the_demo_a_loss_above_eps_is_almost_three_times_as_likely_as_delta():
    assert loss_above_epsilon([DEMO], delta=DEMO_DELTA) / DEMO_DELTA == pytest.approx(2.9, rel=0.03)


def test_without_noise_any_loss_is_certain_and_without_steps_impossible():
    assert loss_above_epsilon([Charge(None, 0.1, 5)], delta=1e-5) == 1.0
    assert group_loss_above_epsilon([Charge(None, 0.1, 5)], patches=2, delta=1e-5) == 1.0
    assert loss_above_epsilon([Charge(1.0, 0.1, 0)], delta=1e-5) == 0.0


# --- In words


def test_promises_come_as_patient_region_patch_with_their_deltas():
    found = promises(delta=1e-6, patient_delta=1e-5)
    assert list(found) == ["patient", "region", "patch"]
    assert [found[name]["delta"] for name in found] == [1e-5, 1e-6, 1e-6]
    spent = [found[name]["epsilon"] for name in found]
    assert spent == sorted(spent, reverse=True)
    for name, promise in found.items():
        start = f"{name.capitalize()} level: eps {readable(promise['epsilon'])}"
        assert promise["sentence"].startswith(start)
    assert found["patient"]["epsilon"] == patient_epsilon(
        noise_multiplier=2.0, sampling_rate=0.01, steps=100, patches_per_patient=50, delta=1e-5
    )
    above = found["patch"]["loss_above_epsilon"]
    assert f"is {above:.2g}, {above / 1e-6:.1f} times delta" in found["patch"]["sentence"]


def test_the_patient_s_promise_covers_regions_and_patches_where_the_patient_is_the_unit():
    found = promises([Charge(6.8, 1.0, 200)], unit="patient", patient_delta=1e-3)
    exact = epsilon(noise_multiplier=6.8, sampling_rate=1, steps=200, delta=1e-3)
    assert found["patient"]["epsilon"] == exact
    # Inside of a patient who stays, the contribution may turn round: twice the distance.
    turned = epsilon(noise_multiplier=3.4, sampling_rate=1, steps=200, delta=1e-3)
    assert found["region"]["epsilon"] == found["patch"]["epsilon"] == turned > exact
    assert "covered by the whole patient" in found["region"]["sentence"]
    assert "covered by the whole patient" in found["patch"]["sentence"]
    assert "the patient is the privacy unit" in found["patient"]["sentence"]


@pytest.mark.parametrize(("noise", "rate"), [(2.0, 0.1), (1.0, 0.05), (4.0, 0.5), (4.0, 1.0), (0.8, 0.3)])
def test_what_changes_inside_of_a_patient_costs_no_more_than_is_said(noise, rate):
    """Oracle: one step of the pair (1-q) N(0) + q N(+-1), integrated. The break: the patient's own eps."""
    grid = np.linspace(-12 * noise - 2, 12 * noise + 2, 400_001)

    def density(shift):
        return (1 - rate) * norm.pdf(grid, 0, noise) + rate * norm.pdf(grid, shift, noise)

    def delta_at(eps):
        return np.trapezoid(np.maximum(density(1) - np.exp(eps) * density(-1), 0), grid)

    found, above = inside_epsilon([Charge(noise, rate, 1)], delta=1e-4)
    alone = epsilon(noise_multiplier=noise, sampling_rate=rate, steps=1, delta=1e-4)
    assert above is None
    assert delta_at(found) <= 1e-4 < delta_at(alone)
    assert alone < found < 5 * alone


def test_many_sampled_steps_inside_of_a_patient_cost_at_most_the_two_bounds_and_beside_a_vote_more():
    charge = Charge(6.0, 0.1, 50)
    turned = epsilon(noise_multiplier=3.0, sampling_rate=1, steps=50, delta=1e-5)
    found, _ = inside_epsilon([charge], delta=1e-5)
    half = found / 2
    group = epsilon(noise_multiplier=6.0, sampling_rate=0.1, steps=50, delta=1e-5 / (1 + math.exp(half)))
    assert group <= half < 1.01 * group
    assert found < turned
    both, _ = inside_epsilon([charge, Charge(None, 1.0, 1, 1.0)], delta=1e-5)
    alone = composed_epsilon([charge, Charge(None, 1.0, 1, 1.0)], delta=1e-5)
    assert max(found, alone) < both < composed_epsilon([inside(charge)], delta=1e-5) + 2
    assert inside_epsilon([Charge(None, 1.0, 1, 1.0)], delta=1e-5) == (2.0, 0.0)
    assert inside_epsilon([Charge(None, 0.1, 5)], delta=1e-5)[0] == math.inf


def test_without_noise_nobody_is_protected_and_an_unbounded_overlap_is_not_known_before_the_cut():
    for promise in promises([Charge(None, 0.01, 100)]).values():
        assert promise["epsilon"] is None
        assert "no protection" in promise["sentence"]
    unknown = promises(sizes=Sizes(10, 50, None))["region"]
    assert (unknown["patches"], unknown["epsilon"]) == (None, None)
    assert "at most the eps of the whole patient" in unknown["sentence"]


def test_a_wrong_unit_or_a_delta_that_publishes_a_patient_is_refused():
    with pytest.raises(ValueError, match="unit"):
        promises(unit="slice")
    with pytest.raises(ValueError, match="1 patch or more"):
        group_epsilon([DEMO], patches=0, delta=1e-5)
    with pytest.raises(PrivacyError, match="delta"):
        promises(patient_delta=0.5)


# --- A pure eps of whole patients


def test_a_vote_promises_its_eps_to_a_patient_at_delta_0_and_twice_that_to_what_is_inside_of_one():
    found = promises([Charge(None, 1.0, 1, 1.0)], unit="patient")
    assert list(found) == ["patient", "region", "patch"]
    assert [found[level]["epsilon"] for level in found] == [1.0, 2.0, 2.0]
    assert {found[level]["delta"] for level in found} == {0.0}
    assert {found[level]["loss_above_epsilon"] for level in found} == {0.0}
    assert "eps 1, and delta 0" in found["patient"]["sentence"]
    assert "at most eps 2, and delta 0" in found["region"]["sentence"]
