"""The accountant: the paper's numbers to the digit, exact cases, bounds that hold, and refusals."""

import math
import time

import numpy as np
import pytest
from dp_accounting.pld import privacy_loss_distribution
from one_patient import patient_epsilon
from opacus.accountants import PRVAccountant
from scipy.optimize import brentq
from scipy.stats import binom, norm

from privessel.errors import PrivacyError
from privessel.privacy import accounting, renyi
from privessel.privacy.accounting import (
    Charge,
    check_delta,
    composed_epsilon,
    epsilon,
    loss_above_epsilon,
)
from privessel.privacy.calibration import affordable_steps, calibrate
from privessel.privacy.losses import mixture_loss, self_composed, tight_epsilon
from privessel.privacy.patient import group_epsilon
from privessel.privacy.published import epsilon_published, epsilon_reused
from privessel.privacy.renyi import FILTER_ORDERS, adaptive_epsilon, epsilon_rdp, renyi_of_pure

RATE, DELTA, BATCHES = 32 / 41_000, 1 / 41_000, 1_281
# noise, epochs: eps as published, reused sample by PLD and by RDP, fresh sample by RDP and by PLD
TABLE = [
    (2, 50, 1.31, 1.13, 1.31, 0.90, 0.82),
    (1.5, 50, 1.91, 2.36, 2.87, 1.31, 1.19),
    (1.2, 50, 2.66, 5.66, 6.66, 1.80, 1.65),
    (1, 50, 3.61, 12.96, 14.9, 2.44, 2.24),
    (0.8, 50, 5.72, 37.8, 42.3, 3.85, 3.53),
    (0.725, 50, 7.34, 60.6, 67.3, 4.93, 4.52),
    (0.65, 50, 10.18, 101.3, 111.7, 6.83, 6.24),
    (0.65, 29, 7.43, 73.1, 81.8, 5.10, 4.59),
]


def study(noise, epochs):
    return {
        "noise_multiplier": noise,
        "sampling_rate": RATE,
        "steps": 5 * BATCHES * epochs,
        "delta": DELTA,
    }


def is_printed_as(value, printed, share):
    """Whether `value` is within `share` of a number that was printed with so many digits."""
    digits = len(str(printed).split(".")[1]) if "." in str(printed) else 0
    return abs(value - printed) <= share * printed + 0.5 * 10**-digits


def gaussian_epsilon(sensitivity, delta):
    """Balle and Wang (2018), theorem 8: the Gaussian mechanism, solved for eps."""

    def excess(eps):
        one, other = sensitivity / 2 - eps / sensitivity, -sensitivity / 2 - eps / sensitivity
        return norm.cdf(one) - np.exp(eps + norm.logcdf(other)) - delta

    return brentq(excess, 0, 500)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"noise {row[0]}, {row[1]} epochs")
def test_the_published_study_is_reproduced_and_corrected(row):
    noise, epochs, published, reused, reused_rdp, fresh_rdp, fresh = row
    run = study(noise, epochs)
    assert f"{epsilon_published(**run):.2f}" == f"{published:.2f}"
    assert is_printed_as(epsilon_reused(**run, critic_steps=5), reused, 0.005)
    assert is_printed_as(epsilon(**run), fresh, 0.005)
    assert is_printed_as(epsilon_rdp(**run), fresh_rdp, 0.005)
    joint = run | {"noise_multiplier": noise / math.sqrt(5), "steps": BATCHES * epochs}
    # dp-accounting's RDP lies up to 3 % above Opacus', whose series stops early at low noise
    assert 0.995 < epsilon_rdp(**joint) / reused_rdp < 1.03
    assert epsilon(**run) <= epsilon_rdp(**run)
    assert epsilon_reused(**run, critic_steps=5) <= epsilon_rdp(**joint)


def test_the_35_noisy_runs_of_the_study_compose_to_about_29():
    study_runs = [
        Charge(noise, RATE, 320_250) for noise in (2, 1.5, 1.2, 1, 0.8, 0.725, 0.65) for _ in range(5)
    ]
    assert composed_epsilon(study_runs, delta=DELTA) == pytest.approx(29.4, abs=0.1)


@pytest.mark.parametrize(("noise", "steps"), [(0.7, 1), (1.3, 1), (5.0, 20), (40.0, 1_000)])
def test_full_participation_is_one_gaussian_mechanism(noise, steps):
    exact = gaussian_epsilon(math.sqrt(steps) / noise, 1e-5)
    found = epsilon(noise_multiplier=noise, sampling_rate=1, steps=steps, delta=1e-5)
    assert exact * (1 - 1e-6) <= found <= exact * 1.005


@pytest.mark.parametrize(("noise", "rate"), [(0.5, 0.1), (1.0, 0.01), (2.0, 0.5)])
def test_one_sampled_step_is_amplified_exactly_as_theory_says(noise, rate):
    # removal: delta(eps) = q delta_Gauss(log(1 + (e^eps - 1) / q)); Balle, Barthe and Gaboardi (2018),
    # theorem 2
    delta = 1e-4
    gauss = gaussian_epsilon(1 / noise, delta / rate)
    exact = math.log1p(rate * math.expm1(gauss))
    found = epsilon(noise_multiplier=noise, sampling_rate=rate, steps=1, delta=delta)
    assert exact * (1 - 1e-6) <= found <= exact * 1.005


@pytest.mark.parametrize(
    ("noise", "rate", "steps"), [(1.0, 0.01, 500), (1.5, 0.004, 3_000), (0.8, 0.02, 100)]
)
def test_composed_eps_lies_within_the_bounds_of_an_independent_accountant(noise, rate, steps):
    lower, _, upper = _prv_bounds(noise, rate, steps)
    found = epsilon(noise_multiplier=noise, sampling_rate=rate, steps=steps, delta=1e-5)
    assert lower <= found <= upper * 1.005


def _prv_bounds(noise, rate, steps):
    accountant = PRVAccountant()
    accountant.history = [(noise, rate, steps)]
    dprv = accountant._get_dprv(eps_error=0.01, delta_error=1e-8)
    return dprv.compute_epsilon(1e-5, 1e-8, 0.01)


@pytest.mark.parametrize(("steps", "delta"), [(100_000, 1e-10), (1_000_000, 1e-9)])
def test_eps_stays_an_upper_bound_where_rounding_is_near_delta(steps, delta):
    # so many Gaussian steps are one with sigma 1, but here they are composed step by step
    def distribution(interval):
        noise = math.sqrt(steps)
        one = privacy_loss_distribution.from_gaussian_mechanism(noise, value_discretization_interval=interval)
        return self_composed(one, steps)

    found, _ = tight_epsilon(distribution, start=1 / math.sqrt(steps), steps=steps, delta=delta, error=2e-3)
    exact = gaussian_epsilon(1.0, delta)
    assert exact < found < exact * 1.05
    # delta minus its rounding is nothing, or less: eps is not known
    few, _ = tight_epsilon(distribution, start=1.0, steps=steps, delta=1e-16 * steps, error=2e-3)
    assert few == math.inf


def test_composing_a_run_with_itself_is_one_run_of_twice_the_steps():
    twice = composed_epsilon([Charge(1.1, 0.01, 300), Charge(1.1, 0.01, 300)], delta=1e-5)
    assert twice == epsilon(noise_multiplier=1.1, sampling_rate=0.01, steps=600, delta=1e-5)


def test_composition_lies_between_its_largest_part_and_the_sum_of_its_parts():
    parts = [Charge(1.1, 0.01, 300), Charge(0.9, 0.02, 50), Charge(8.0, 1.0, 10)]
    single = [composed_epsilon([part], delta=1e-5) for part in parts]
    together = composed_epsilon(parts, delta=1e-5)
    assert max(single) < together < sum(single)
    assert together == pytest.approx(composed_epsilon(parts[::-1], delta=1e-5), rel=1e-9)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("noise_multiplier", (2.0, 1.2, 0.8)),
        ("sampling_rate", (0.003, 0.03, 1.0)),
        ("steps", (1, 10, 100)),
        ("delta", (1e-2, 1e-5, 1e-9)),
    ],
)
def test_less_noise_more_sampling_more_steps_and_less_delta_all_cost(name, values):
    run = {"noise_multiplier": 1.0, "sampling_rate": 0.01, "steps": 50, "delta": 1e-5}
    spent = [epsilon(**run | {name: value}) for value in values]
    assert all(one < other for one, other in zip(spent, spent[1:], strict=False))
    renyi = [epsilon_rdp(**run | {name: value}) for value in values]
    assert all(one <= other for one, other in zip(spent, renyi, strict=True))


@pytest.mark.parametrize("account", [epsilon, epsilon_rdp, epsilon_published])
@pytest.mark.parametrize("noise", [None, math.inf])
def test_without_noise_there_is_no_eps(account, noise):
    run = {"noise_multiplier": noise, "sampling_rate": 0.01, "delta": 1e-5}
    assert account(**run, steps=1) == math.inf
    assert account(**run, steps=0) == 0


def test_no_steps_cost_nothing():
    assert composed_epsilon([], delta=1e-5) == 0
    assert epsilon(noise_multiplier=1, sampling_rate=0.1, steps=0, delta=1e-5) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"noise_multiplier": 0.0},
        {"noise_multiplier": -1.0},
        {"noise_multiplier": math.nan},
        {"sampling_rate": 0.0},
        {"sampling_rate": 1.1},
        {"steps": -1},
        {"steps": 1.5},
        {"delta": 0.0},
        {"delta": 1.0},
        {"delta": 1e-12},
    ],
    ids=str,
)
def test_impossible_parameters_are_refused_by_name(wrong):
    run = {"noise_multiplier": 1.0, "sampling_rate": 0.01, "steps": 10, "delta": 1e-5}
    with pytest.raises(ValueError, match=next(iter(wrong)).replace("_", " ")):
        epsilon(**run | wrong)


@pytest.mark.parametrize(
    ("target", "rate", "steps"), [(0.5, 0.01, 1_000), (3.0, 0.05, 200), (8.0, 1.0, 50), (30.0, 0.5, 10)]
)
def test_calibrated_noise_keeps_the_target_and_wastes_little(target, rate, steps):
    plan = {"sampling_rate": rate, "steps": steps, "delta": 1e-5}
    noise = calibrate(target_epsilon=target, **plan)
    assert epsilon(noise_multiplier=noise, **plan) <= target
    assert epsilon(noise_multiplier=noise * 0.99, **plan) > target


def test_calibration_needs_a_finite_target():
    for target in (0.0, math.inf, -1.0):
        with pytest.raises(ValueError, match="target"):
            calibrate(target_epsilon=target, sampling_rate=0.1, steps=10, delta=1e-5)


def test_affordable_steps_are_the_most_that_keep_the_target():
    plan = {"noise_multiplier": 3.0, "sampling_rate": 0.5, "delta": 1e-3}
    most = affordable_steps(target_epsilon=5.0, **plan)
    assert epsilon(**plan, steps=most) <= 5.0 < epsilon(**plan, steps=most + 1)


def test_nothing_is_affordable_when_one_step_is_too_much():
    assert affordable_steps(target_epsilon=0.1, noise_multiplier=1.0, sampling_rate=1.0, delta=1e-5) == 0


@pytest.mark.parametrize(
    ("delta", "units", "release", "refused"),
    [
        (1 / 41_000, 41_000, False, False),
        (1 / 41_000, 41_000, True, True),
        (1 / 410_000, 41_000, True, True),
        (0.99 / 410_000, 41_000, True, False),
        (1e-3, 41, True, False),
        (0.03, 41, False, True),
    ],
)
def test_a_release_needs_a_delta_below_a_tenth_of_one_in_n(delta, units, release, refused):
    if refused:
        with pytest.raises(PrivacyError, match=r"privacy\.delta"):
            check_delta(delta=delta, units=units, release=release)
    else:
        check_delta(delta=delta, units=units, release=release)


@pytest.mark.parametrize(("steps", "expected"), [(10, 23), (1_281, 683), (12_810, 5_785)])
def test_a_patient_of_1000_patches_is_told_what_the_specification_says(steps, expected):
    spent = patient_epsilon(
        noise_multiplier=1, sampling_rate=RATE, steps=steps, patches_per_patient=1_000, delta=1e-3
    )
    assert spent == pytest.approx(expected, rel=0.02)


def test_a_patient_of_one_patch_is_a_patch():
    run = {"noise_multiplier": 1.0, "sampling_rate": 0.01, "steps": 200, "delta": 1e-5}
    assert patient_epsilon(**run, patches_per_patient=1) == epsilon(**run)


def test_a_patient_whose_patches_all_take_part_has_their_joint_sensitivity():
    run = {"sampling_rate": 1, "steps": 5, "delta": 1e-5}
    joint = epsilon(noise_multiplier=4.0, **run)
    assert patient_epsilon(noise_multiplier=12.0, patches_per_patient=3, **run) == joint


def test_one_step_of_a_patient_is_the_mixture_of_gaussians_integrated_by_hand():
    # the hockey-stick divergence of the mixture against the standard normal, both ways, by quadrature
    noise, rate, patches, delta = 1.5, 0.2, 3, 1e-3
    grid = np.linspace(-15, 25, 400_001)
    inside = sum(
        math.comb(patches, k) * rate**k * (1 - rate) ** (patches - k) * norm.pdf(grid, k, noise)
        for k in range(patches + 1)
    )
    outside = norm.pdf(grid, 0, noise)

    def excess(eps):
        ways = [(inside, outside), (outside, inside)]
        return max(np.trapezoid(np.maximum(p - math.exp(eps) * q, 0), grid) for p, q in ways) - delta

    exact = brentq(excess, 0, 20)
    found = patient_epsilon(
        noise_multiplier=noise, sampling_rate=rate, steps=1, patches_per_patient=patches, delta=delta
    )
    assert exact * (1 - 1e-4) <= found <= exact * 1.02


def test_a_patient_costs_more_than_a_patch_and_less_than_the_group_bound():
    run = {"noise_multiplier": 2.0, "sampling_rate": 0.01, "steps": 100}
    patches, delta = 4, 1e-5
    spent = [patient_epsilon(**run, patches_per_patient=n, delta=delta) for n in (1, 2, patches)]
    assert spent[0] < spent[1] < spent[2]
    # group privacy: (eps, d) for a patch is (k eps, d (e^(k eps) - 1) / (e^eps - 1)) for k of them
    patch_delta = 1e-8
    patch = epsilon(**run, delta=patch_delta)
    group_delta = patch_delta * math.expm1(patches * patch) / math.expm1(patch)
    assert patient_epsilon(**run, patches_per_patient=patches, delta=group_delta) < patches * patch


def test_all_statements_of_a_level_take_seconds():
    run = study(0.9, 50)
    start = time.process_time()
    epsilon(**run)
    epsilon_rdp(**run)
    epsilon_published(**run)
    epsilon_reused(**run, critic_steps=5)
    patient_epsilon(**run | {"delta": 1e-3}, patches_per_patient=1_000)
    assert time.process_time() - start < 10


# --- Runs that are chosen after a look at earlier ones ---------------------------------------------------


def renyi_by_hand(order, *, noise, rate):
    """A whole order of one sampled Gaussian step, from the series of Mironov et al. (2019), eq. 5."""
    terms = [
        math.log(math.comb(order, k)) + (order - k) * math.log1p(-rate) + k * math.log(rate)
        + (k * k - k) / (2 * noise**2)
        for k in range(order + 1)
    ]  # fmt: skip
    top = max(terms)
    return (top + math.log(math.fsum(math.exp(term - top) for term in terms))) / (order - 1)


def test_a_filter_of_one_order_is_what_the_binomial_series_says(monkeypatch):
    for order in (2, 6, 20):
        monkeypatch.setattr(renyi, "FILTER_ORDERS", (order,))
        spent = 500 * renyi_by_hand(order, noise=1.3, rate=0.02) + 40 * order / (2 * 9.0**2)
        expected = spent + math.log1p(-1 / order) - (math.log(1e-5) + math.log(order)) / (order - 1)
        found = renyi.adaptive_epsilon([Charge(1.3, 0.02, 500), Charge(9.0, 1.0, 40)], delta=1e-5)
        assert found == pytest.approx(expected, rel=1e-9)


def test_each_order_has_its_share_of_delta_and_the_best_one_counts(monkeypatch):
    charges, orders = [Charge(1.0, 0.01, 2000)], renyi.FILTER_ORDERS
    whole = renyi.adaptive_epsilon(charges, delta=1e-5)
    alone = []
    for order in orders:
        monkeypatch.setattr(renyi, "FILTER_ORDERS", (order,))
        alone.append(renyi.adaptive_epsilon(charges, delta=1e-5 / len(orders)))
    assert whole == pytest.approx(min(alone), rel=1e-12)


@pytest.mark.parametrize(
    "charges",
    [
        [Charge(0.65, 32 / 41_000, 320_250)],
        [Charge(1.0, 0.01, 300)],
        [Charge(2.0, 0.02, 100), Charge(6.8, 1.0, 200)],
    ],
)
def test_choosing_as_one_goes_costs_more_than_a_fixed_plan_and_not_vastly(charges):
    fixed = accounting.composed_epsilon(charges, delta=1e-5)
    assert fixed < renyi.adaptive_epsilon(charges, delta=1e-5) < 2.5 * fixed


@pytest.mark.parametrize("noise", [1e-6, 1e-153, 1e-200])
def test_next_to_no_noise_is_never_within_a_budget(noise):
    assert renyi.adaptive_epsilon([Charge(noise, 0.5, 3)], delta=1e-5) > 1e6


def test_a_budget_counts_no_run_as_nothing_and_one_without_noise_as_everything():
    assert renyi.adaptive_epsilon([Charge(1.0, 0.5, 0)], delta=1e-5) == 0
    assert renyi.adaptive_epsilon([Charge(1.0, 0.5, 1), Charge(None, 0.5, 1)], delta=1e-5) == math.inf


# --- A pure eps, such as that of a vote


def hockey_stick(epsilon, mu):
    """Delta at `epsilon` of one Gaussian mechanism of sensitivity `mu` and noise 1 (Balle and Wang 2018)."""
    high, low = norm.cdf(mu / 2 - epsilon / mu), norm.cdf(-mu / 2 - epsilon / mu)
    return high - math.exp(epsilon) * low


def delta_beside_pure(epsilon, mu, pure):
    """The same together with randomised response of eps `pure`, whose loss is +pure or -pure."""
    p = 1 / (1 + math.exp(-pure))
    return p * hockey_stick(epsilon - pure, mu) + (1 - p) * hockey_stick(epsilon + pure, mu)


@pytest.mark.parametrize("pure", [0.1, 1.0, 3.0])
@pytest.mark.parametrize("noise", [0.7, 2.0, 10.0])
def test_a_pure_eps_beside_a_gaussian_mechanism_costs_what_randomised_response_does(noise, pure):
    both = [Charge(noise, 1.0, 1), Charge(None, 1.0, 1, pure)]
    exact = brentq(lambda eps: delta_beside_pure(eps, 1 / noise, pure) - 1e-5, 0, 200)
    found = composed_epsilon(both, delta=1e-5)
    assert exact <= found * (1 + 1e-9)
    assert found == pytest.approx(exact, rel=0.01)
    alone = composed_epsilon(both[:1], delta=1e-5)
    assert 0.997 * alone < found <= alone + pure + 0.05


def test_pure_eps_add_up_at_any_delta_and_whatever_chose_them():
    votes = [Charge(None, 1.0, 2, 0.5), Charge(None, 1.0, 1, 1.0)]
    for delta in (1e-9, 1e-5, 0.1):
        assert composed_epsilon(votes, delta=delta) == 2.0
        assert adaptive_epsilon(votes, delta=delta) == 2.0
    assert loss_above_epsilon(votes, delta=1e-5) == 0
    assert group_epsilon(votes, patches=[7, 7], delta=1e-5) == 2.0


def test_a_pure_eps_has_the_renyi_divergence_of_randomised_response_and_never_more_than_eps():
    for eps in (0.01, 0.5, 1, 8):
        p = math.exp(eps) / (1 + math.exp(eps))
        for order in FILTER_ORDERS:
            terms = (p**order * (1 - p) ** (1 - order), (1 - p) ** order * p ** (1 - order))
            exact = math.log(sum(terms)) / (order - 1)
            assert renyi_of_pure(eps, order) == pytest.approx(exact, rel=1e-9)
            assert renyi_of_pure(eps, order) <= min(eps, order * eps**2 / 2) * (1 + 1e-9)


def test_a_budget_counts_a_pure_eps_beside_gaussian_runs():
    run = Charge(1.0, 0.01, 500)
    alone = adaptive_epsilon([run], delta=1e-5)
    both = adaptive_epsilon([run, Charge(None, 1.0, 1, 1.0)], delta=1e-5)
    assert alone < both <= alone + 1.0 + 1e-9


@pytest.mark.parametrize(
    "wrong",
    [{"pure_epsilon": 0.0}, {"pure_epsilon": math.inf}, {"noise_multiplier": 1.0}, {"sampling_rate": 0.5}],
)
def test_a_pure_mechanism_has_no_noise_multiplier_and_samples_nobody(wrong):
    given = {"noise_multiplier": None, "sampling_rate": 1.0, "steps": 1, "pure_epsilon": 1.0}
    with pytest.raises(ValueError, match="pure"):
        Charge(**given | wrong)


@pytest.mark.parametrize(
    ("noise", "patches", "rate", "interval"),
    [
        (1.0, 1, 0.01, 1e-2),
        (1.0, 3, 0.2, 1e-2),
        (4.0, 5, 0.02, 1e-3),
        (2.0, 40, 0.2, 2.0),
        (0.65, 20, 0.5, 100.0),
    ],
)
def test_the_loss_of_a_mixture_is_that_of_dp_accounting_to_the_bit(noise, patches, rate, interval):
    chances = list(binom.pmf(range(patches + 1), patches, rate))
    expected = privacy_loss_distribution.from_mixture_gaussian_mechanism(
        noise, list(range(patches + 1)), chances, value_discretization_interval=interval
    )
    found = mixture_loss(noise, chances, interval=interval)
    for way in ("_pmf_add", "_pmf_remove"):
        one, other = (getattr(loss, way).to_dense_pmf() for loss in (found, expected))
        assert np.array_equal(one._probs, other._probs)
        assert (one._infinity_mass, one._lower_loss) == (other._infinity_mass, other._lower_loss)
