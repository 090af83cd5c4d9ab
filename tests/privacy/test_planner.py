"""The plan: the specification's tables fall out of it, and it takes seconds."""

import math
import time

import pandas as pd
import pytest
from one_patient import patient_epsilon

from privessel.errors import PrivacyError
from privessel.figures.plan import draw_plan, format_plan
from privessel.privacy import patient
from privessel.privacy.accounting import Charge, epsilon
from privessel.privacy.patient_plan import plan_cohorts, plan_patients
from privessel.privacy.planner import (
    REGION_COLUMNS,
    PlannedMechanism,
    noise_of,
    plan_budget,
    plan_overlaps,
)
from privessel.privacy.planner import plan_levels as plan_mechanism
from privessel.privacy.renyi import adaptive_epsilon
from privessel.privacy.unet_plan import UNET_COLUMNS, charge_unets, plan_private_unets
from privessel.study.names import Level

pytestmark = pytest.mark.slow  # left out of make test-fast

STUDY = {
    "sampling_rate": 32 / 41_000,
    "steps": 320_250,
    "critic_steps": 5,
    "delta": 1 / 41_000,
    "unit": "patch",
    "patients": 41,
    "patches_per_patient": 1_000,
    "max_overlap": None,
    "release_delta": 2.4e-6,
}
# Of the study's eight levels the ends and the middle; test_accounting has the eps of each of them.
LEVELS = ["inf", "noise-2", "noise-1", "noise-0.65"]


def plan_levels(levels, *, patient_delta=1e-3, **mechanism):
    return plan_mechanism(levels, PlannedMechanism(**mechanism), patient_delta=patient_delta)


@pytest.fixture(scope="module")
def timed_plan():
    start = time.process_time()
    return plan_levels(LEVELS, **STUDY), time.process_time() - start


def test_the_plan_of_the_study_has_a_row_a_level_and_takes_seconds(timed_plan):
    rows, seconds = timed_plan
    assert [row["level"] for row in rows] == LEVELS
    assert seconds < 30


def test_the_plan_of_the_study_holds_the_published_and_the_valid_numbers(timed_plan):
    rows = {row["level"]: row for row in timed_plan[0]}
    assert round(rows["noise-0.65"]["epsilon_as_published"], 2) == 10.18
    assert rows["noise-0.65"]["epsilon_of_published"] == pytest.approx(101.3, rel=0.005)
    assert rows["noise-0.65"]["epsilon"] == pytest.approx(6.24, rel=0.005)
    for level in LEVELS[1:]:
        row = rows[level]
        assert row["noise_multiplier"] == float(level.removeprefix("noise-"))
        assert row["epsilon"] <= row["epsilon_rdp"] < row["epsilon_as_published"]
        assert row["patient_epsilon"] > 100
        assert "vacuous" in row["patient_statement"]


def test_less_noise_always_costs_more(timed_plan):
    private = timed_plan[0][1:]
    for column in (
        "epsilon",
        "epsilon_rdp",
        "epsilon_as_published",
        "epsilon_of_published",
        "patient_epsilon",
    ):
        spent = [row[column] for row in private]
        assert spent == sorted(spent)


def test_the_level_without_noise_has_no_eps(timed_plan):
    row = timed_plan[0][0]
    assert {row[column] for column in row if "epsilon" in column} == {None}
    assert "no protection" in row["patient_statement"]


def test_a_level_by_its_eps_keeps_it():
    plan = {"sampling_rate": 0.01, "steps": 1_000, "delta": 1e-5}
    noise = noise_of(Level.parse("eps-5"), **plan)
    assert epsilon(noise_multiplier=noise, **plan) <= 5
    assert noise_of(Level.parse("noise-0.65"), **plan) == 0.65
    assert noise_of(Level.parse("inf"), **plan) is None


@pytest.mark.parametrize(
    "level",
    [
        "",
        "noise",
        "noise-",
        "noise-0",
        "noise--1",
        "noise-inf",
        "eps-inf",
        "eps-x",
        "eps-0",
        "sigma-1",
        "info",
    ],
)
def test_other_names_of_levels_are_refused(level):
    with pytest.raises(ValueError, match="level"):
        plan_levels([level], **STUDY)


def test_a_plan_by_patient_is_exact():
    (row,) = plan_levels(
        ["noise-6.8"], **STUDY | {"unit": "patient", "sampling_rate": 1, "steps": 200, "delta": 1e-3}
    )
    assert row["patient_epsilon"] == row["epsilon"]
    assert row["patient_epsilon"] == pytest.approx(8.0, rel=0.01)


@pytest.mark.parametrize(("steps", "noise"), [(10, 1.5), (50, 3.4), (200, 6.8), (1_000, 15)])
def test_41_patients_at_eps_8_need_the_noise_of_the_specification(steps, noise):
    (row,) = plan_patients(
        patients=41, participation=1, steps=steps, mean_noise=1 / 32, delta=1e-3, epsilons=[8]
    )
    assert row["noise_multiplier"] == pytest.approx(noise, rel=0.02)
    assert row["noise_on_mean"] == pytest.approx(noise / 41, rel=0.02)


@pytest.mark.parametrize(
    ("patients", "delta", "steps"), [(41, 1e-3, 7), (500, 1e-4, 800), (5_000, 1e-5, 68_000)]
)
def test_patients_afford_the_steps_of_the_specification(patients, delta, steps):
    (row,) = plan_patients(
        patients=patients, participation=1, steps=100, mean_noise=1 / 32, delta=delta, epsilons=[8]
    )
    assert row["affordable_steps"] == pytest.approx(steps, rel=0.05)


def test_a_smaller_eps_costs_more_noise_and_affords_fewer_steps():
    rows = plan_patients(
        patients=500, participation=0.2, steps=100, mean_noise=0.05, delta=1e-4, epsilons=[1, 3, 8]
    )
    assert [row["epsilon"] for row in rows] == [1, 3, 8]
    noise, steps = ([row[column] for row in rows] for column in ("noise_multiplier", "affordable_steps"))
    assert noise == sorted(noise, reverse=True)
    assert steps == sorted(steps)
    for row in rows:
        run = {"noise_multiplier": row["noise_multiplier"], "sampling_rate": 0.2, "steps": 100, "delta": 1e-4}
        assert epsilon(**run) <= row["epsilon"]


def test_more_patients_are_planned_for_at_a_delta_that_falls_with_their_number():
    short = PlannedMechanism(**STUDY | {"steps": 20})
    rows = plan_cohorts(short, times=(1, 100), patient_delta=1e-4, mean_noise=1 / 32, epsilons=[3, 8])
    found = [(row["patients"], row["epsilon"], row["delta"]) for row in rows]
    tenth = pytest.approx(0.1 / 4_100)
    assert found == [(41, 3, 1e-4), (41, 8, 1e-4), (4_100, 3, tenth), (4_100, 8, tenth)]
    assert {(row["steps"], row["participation"], row["mean_noise"]) for row in rows} == {(20, 1.0, 1 / 32)}


@pytest.mark.parametrize("wrong", [{"patients": 0}, {"mean_noise": 0.0}, {"mean_noise": math.inf}], ids=str)
def test_impossible_plans_are_refused(wrong):
    plan = {"patients": 41, "participation": 1, "steps": 1, "mean_noise": 0.1, "delta": 1e-3, "epsilons": [8]}
    with pytest.raises(ValueError, match=r"patient|noise"):
        plan_patients(**plan | wrong)


def test_where_dozens_of_a_patient_s_patches_meet_in_a_step_the_plan_still_has_a_number():
    crowded = STUDY | {"sampling_rate": 512 / 40_000, "steps": 1350, "patches_per_patient": 4_000}
    (row,) = plan_levels(["noise-0.65"], **crowded)
    assert math.isfinite(row["patient_epsilon"])
    assert row["patient_epsilon"] > 1e5


def test_the_bound_used_where_the_mixture_is_lost_is_above_the_mixture(monkeypatch):
    given = {
        "noise_multiplier": 2.0,
        "sampling_rate": 0.05,
        "steps": 7,
        "patches_per_patient": 6,
        "delta": 1e-4,
    }
    exact = patient_epsilon(**given)

    def lost(*_, **__):
        raise ValueError("a must be greater than b")

    patient._mixed.cache_clear()
    monkeypatch.setattr(patient, "tight_epsilon", lost)
    bound = patient_epsilon(**given)
    patient._mixed.cache_clear()
    assert exact < bound < 100 * exact


def test_a_level_by_its_eps_costs_more_at_the_smaller_delta_of_a_release_and_the_plan_says_so():
    small = STUDY | {"sampling_rate": 0.02, "steps": 200, "delta": 1e-4, "release_delta": 1e-6}
    (row,) = plan_levels(["eps-5"], **small | {"patches_per_patient": 2, "max_overlap": 2})
    assert row["epsilon"] <= 5 < row["release_epsilon"]
    run = {key: row[key] for key in ("noise_multiplier", "sampling_rate", "steps")}
    assert row["release_epsilon"] == epsilon(**run, delta=1e-6)
    assert row["loss_above_epsilon"] > row["delta"]


@pytest.mark.parametrize(("allowed", "enough"), [(6.0, True), (5.5, False)])
def test_the_plan_says_what_a_budget_must_allow_and_warns_where_it_does_not(caplog, allowed, enough):
    """The break: a budget a little above the level's eps was refused only when the run began."""
    mechanism = PlannedMechanism(**STUDY | {"sampling_rate": 0.02, "steps": 200, "delta": 1e-4})
    budget = {"epsilon": allowed, "delta": 1e-4}
    rows = plan_budget({"inf": 1, "eps-3": 2, "noise-2": 1}, mechanism, budget=budget, votes={}, unets={})
    assert [(row["level"], row["runs"]) for row in rows] == [("eps-3", 1), ("noise-2", 1), ("all", 3)]
    # What the check before a run's first step will compare.
    noise = noise_of(Level.parse("eps-3"), sampling_rate=0.02, steps=200, delta=1e-4)
    runs = [Charge(noise, 0.02, 200), Charge(noise, 0.02, 200), Charge(2.0, 0.02, 200)]
    needed = [adaptive_epsilon(some, delta=1e-4) for some in (runs[:1], runs[2:], runs)]
    assert [row["needed_epsilon"] for row in rows] == pytest.approx(needed)
    assert needed[0] > 3
    assert 5.5 < needed[-1] < 6
    told = figure_text(rows)
    assert ("TOO LITTLE" not in told) == ("privacy.budget.epsilon is" not in caplog.text) == enough
    assert (
        plan_budget({"noise-2": 1}, mechanism, budget=None, votes={"vote/eps-1/run-1": 1.0}, unets={}) == []
    )


def figure_text(budget):
    levels = pd.DataFrame(plan_levels(["noise-2"], **STUDY | {"steps": 20, "sampling_rate": 0.02}))
    empty = pd.DataFrame({"patients": []})
    return format_plan(levels, empty.head(0), empty, budget=pd.DataFrame(budget), unets=pd.DataFrame())


def test_a_bound_on_the_overlap_gives_the_region_of_every_level_an_eps_that_grows_with_it():
    short = STUDY | {"sampling_rate": 0.02, "steps": 100}
    mechanism = PlannedMechanism(**short)
    rows = plan_overlaps(["inf", "noise-2", "noise-1"], mechanism, overlaps=(1, 2, 4))
    assert [(row["level"], row["max_overlap"]) for row in rows] == [
        (level, overlap) for level in ("noise-2", "noise-1") for overlap in (1, 2, 4)
    ]
    assert all(list(row) == REGION_COLUMNS for row in rows)
    one = [row["region_epsilon"] for row in rows[:3]]
    assert one == sorted(one)
    bounded = PlannedMechanism(**short | {"max_overlap": 4, "patches_per_patient": 8})
    (row,) = plan_mechanism(["noise-2"], bounded, patient_delta=1e-3)
    assert (row["region_patches"], row["region_epsilon"]) == (4, one[2])
    assert one[0] == row["epsilon"] < row["region_epsilon"] < row["patient_epsilon"]
    by_patient = PlannedMechanism(**STUDY | {"unit": "patient"})
    assert plan_overlaps(["noise-2"], by_patient, overlaps=(1, 2)) == []


def test_the_plan_is_told_and_drawn_as_patient_region_patch_with_all_its_levels_and_numbers_of_patients(
    timed_plan,
):
    levels = pd.DataFrame(timed_plan[0])
    regions = pd.DataFrame(
        {"level": level, "max_overlap": k, "region_epsilon": 3.0 * k, "noise_multiplier": 1.0, "delta": 1e-5}
        for level in LEVELS[1:]
        for k in (1, 5)
    )
    patients = pd.DataFrame(
        row
        for number, delta in ((41, 1e-3), (410, 1e-4))
        for row in plan_patients(
            patients=number, participation=1.0, steps=200, mean_noise=1 / 32, delta=delta, epsilons=(3, 8)
        )
    )
    told = format_plan(levels, regions, patients, budget=pd.DataFrame(), unets=pd.DataFrame())
    assert next(line for line in told.splitlines() if line.startswith("noise-0.65")).split() == [
        "noise-0.65", ">10^5", "not", "bounded", "6.25", "7.06", "6.83", "10.2", "102"
    ]  # fmt: skip
    assert next(line for line in told.splitlines() if line.startswith("inf")).split() == ["inf"] * 8
    order = [told.index(words) for words in ("Patient level:", "Region level:", "Patch level:")]
    assert order == sorted(order)
    assert "vacuous" in told
    assert "P[privacy loss > eps] is" in told
    assert [line.split() for line in told.splitlines() if line.startswith("noise-1 ")][-1][1:] == ["3", "15"]
    assert told.splitlines()[-1].split()[:3] == ["410", "0.0001", "8"]
    assert max(len(line) for line in told.splitlines()) <= 120
    left, middle, right = draw_plan(levels, regions, patients).axes
    assert [text.get_text() for text in left.get_xticklabels()] == [
        level.removeprefix("noise-") for level in LEVELS[1:]
    ]
    assert [text.get_text() for text in middle.get_legend().get_texts()] == LEVELS[1:]
    assert "410 patients" in right.get_legend().get_texts()[1].get_text()
    empty = draw_plan(levels.assign(unit="patient"), regions.head(0), patients).axes[1]
    assert "covers" in empty.texts[0].get_text()


def test_patients_in_every_one_of_the_study_s_steps_are_planned_in_seconds():
    start = time.process_time()
    rows = plan_patients(
        patients=410, participation=1.0, steps=320_250, mean_noise=1 / 32, delta=1e-4, epsilons=(1, 3, 8)
    )
    assert time.process_time() - start < 20
    for row in rows:
        one = epsilon(
            noise_multiplier=row["noise_multiplier"] / math.sqrt(320_250),
            sampling_rate=1.0,
            steps=1,
            delta=1e-4,
        )
        assert 0.99 * row["epsilon"] < one <= row["epsilon"]


def test_a_patient_delta_that_is_too_large_is_refused_with_the_key_to_change():
    with pytest.raises(PrivacyError, match=r"one of 41 units.*privacy.patient_delta.*at most 1/41"):
        plan_levels(["noise-1"], **STUDY | {"patient_delta": 0.5})


def test_votes_are_part_of_what_a_budget_must_allow_and_count_twice_beside_runs_that_protect_patches():
    mechanism = PlannedMechanism(**STUDY | {"sampling_rate": 0.02, "steps": 200, "delta": 1e-4})
    budget = {"epsilon": 9.0, "delta": 1e-5}
    alone = plan_budget({}, mechanism, budget=budget, votes={"vote/eps-1/run-1": 1.0}, unets={})
    assert [(row["level"], row["needed_epsilon"]) for row in alone] == [
        ("vote/eps-1/run-1", 1.0),
        ("all", 1.0),
    ]
    assert {row["unit"] for row in alone} == {"patient"}
    both = plan_budget({"noise-2": 1}, mechanism, budget=budget, votes={"vote/eps-1/run-1": 1.0}, unets={})
    needed = {row["level"]: row["needed_epsilon"] for row in both}
    assert needed["vote/eps-1/run-1"] == 2.0
    assert {row["unit"] for row in both} == {"patch"}
    assert needed["noise-2"] < needed["all"] <= needed["noise-2"] + 2.0


def test_private_u_nets_are_planned_with_their_own_steps_and_are_part_of_the_budget():
    gan = PlannedMechanism(**STUDY | {"sampling_rate": 0.02, "steps": 200, "delta": 1e-4})
    unet = PlannedMechanism(**STUDY | {"sampling_rate": 0.05, "steps": 60, "critic_steps": 1, "delta": 1e-4})
    rows = plan_private_unets(["eps-3", "noise-2"], unet, patient_delta=1e-4)
    assert [row["level"] for row in rows] == ["private-unet/eps-3", "private-unet/noise-2"]
    assert list(rows[0]) == UNET_COLUMNS
    assert 2.9 < rows[0]["epsilon"] <= 3
    assert {row["steps"] for row in rows} == {60}
    charged = charge_unets(rows, {"eps-3": 2, "noise-2": 1})
    assert charged["private-unet/noise-2"] == (Charge(2.0, 0.05, 60), 1)
    budget = {"epsilon": 9.0, "delta": 1e-4}
    table = plan_budget({"noise-2": 1}, gan, budget=budget, votes={}, unets=charged)
    assert [(row["level"], row["runs"]) for row in table] == [
        ("noise-2", 1), ("private-unet/eps-3", 1), ("private-unet/noise-2", 1), ("all", 4),
    ]  # fmt: skip
    everything = [Charge(2.0, 0.02, 200), *[charged["private-unet/eps-3"][0]] * 2, Charge(2.0, 0.05, 60)]
    assert table[-1]["needed_epsilon"] == pytest.approx(adaptive_epsilon(everything, delta=1e-4))
    alone = plan_budget({"inf": 1}, gan, budget=budget, votes={}, unets=charged)
    assert {row["unit"] for row in alone} == {"patch"}
    levels = pd.DataFrame(plan_levels(["noise-2"], **STUDY | {"steps": 20, "sampling_rate": 0.02}))
    empty = pd.DataFrame(columns=REGION_COLUMNS)
    patients = pd.DataFrame(columns=["patients", "delta", "epsilon", "noise_multiplier", "affordable_steps"])
    told = format_plan(levels, empty, patients, budget=pd.DataFrame(table), unets=pd.DataFrame(rows))
    assert "private-unet/eps-3, noise multiplier" in told
    assert "60 steps at sampling rate 0.05 of a patch:" in told
    assert "a run of private-unet/eps-3" in told
