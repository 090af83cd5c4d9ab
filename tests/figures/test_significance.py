"""The table of paired tests: what each level is held against, and what few patients cannot show."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from figures.looking import as_read_back, said, texts
from matplotlib.text import Text

from privessel.figures.significance import statistics, statistics_data
from privessel.scores.significance import bootstrap_mean, smallest_p

PATIENTS = np.random.default_rng(0).normal(0.6, 0.1, 14)


def rows(source, kind, dsc, *, noise=np.nan, run=np.nan, epoch=50, validation=0.5, cohorts=("a", "b")):
    """Return the score rows of one source, `dsc` over patients."""
    eps = np.inf if kind == "inf" else 4 / noise if kind == "private" else np.nan
    return pd.DataFrame(
        [
            {"source": source, "kind": kind, "level": source.split("/")[1] if "/" in source else ""}
            | {"noise_multiplier": noise, "run": run, "epoch": epoch, "eps": eps, "eps_published": 1.6 * eps}
            | {"eps_patient": 1000 * eps, "eps_region": 20 * eps}
            | {"unit": "patch" if np.isfinite(noise) else "", "validation_dsc": validation, "setting": "x"}
            | {"cohort": cohort, "patient": f"{cohort}-{k}", "dsc": value, "bahd_voxel": 2.0, "empty": 0}
            | {"cldice": value, "component_error": 1}
            for cohort in cohorts
            for k, value in enumerate(dsc)
        ]
    )


def gan(level, dsc, *, run=1, epoch=50, **more):
    noise = np.nan if level == "inf" else float(level.removeprefix("noise-"))
    source = f"wgan/{level}/run-{run}/epoch-{epoch}"
    return rows(
        source, "inf" if level == "inf" else "private", dsc, noise=noise, run=run, epoch=epoch, **more
    )


def study(patients=14):
    """Return real patches, one free row and three levels, of which noise-1 has two runs."""
    dsc = np.resize(PATIENTS, patients)
    shift = 0.01 * np.arange(patients)
    parts = [
        rows("real", "real", dsc + 0.2),
        rows("threshold", "baseline", dsc),
        gan("inf", dsc + 0.1 + shift),
        gan("noise-1", dsc - 0.05, run=1, validation=0.5),
        gan("noise-1", dsc + 0.05 + shift, run=2, validation=0.6),
        gan("noise-2", dsc - 0.1 - shift),
    ]
    return pd.concat(parts, ignore_index=True)


@cache
def data_of_study(patients=14):
    """Return the table of the small study; tests only look at it."""
    return data_of(study(patients))


def data_of(scores):
    return statistics_data(scores, seed=5)


def pair(data, level, against, cohort="a"):
    found = data[(data["shows"] == "pair") & (data["cohort"] == cohort) & (data["against"] == against)]
    return found[found["model"] == f"wgan/{level}/epoch-50"].iloc[0]


def test_every_level_is_held_against_real_the_free_rows_and_the_next_weaker_noise():
    data = data_of_study()
    own = data[(data["shows"] == "pair") & (data["cohort"] == "a")]
    assert own.groupby("model")["against"].agg(list).to_dict() == {
        "wgan/noise-2/epoch-50": ["real", "threshold", "next"],
        "wgan/noise-1/epoch-50": ["real", "threshold", "next"],
        "wgan/inf/epoch-50": ["real", "threshold"],
    }
    assert pair(data, "noise-2", "next")["other"] == "wgan/noise-1/run-2/epoch-50"
    assert pair(data, "noise-1", "next")["other"] == "wgan/inf/run-1/epoch-50"
    assert pair(data, "noise-1", "threshold")["eps_other"] == 0
    assert np.isnan(pair(data, "noise-1", "real")["eps_other"])


def test_difference_is_of_the_best_run_by_validation_and_over_the_same_patients():
    found = pair(data_of_study(), "noise-1", "threshold")
    expected = 0.05 + 0.01 * np.arange(14)
    assert found["one"] == "wgan/noise-1/run-2/epoch-50"
    assert found["mean_difference"] == pytest.approx(expected.mean())
    assert (found["difference_low"], found["difference_high"]) == pytest.approx(
        bootstrap_mean(expected, seed=5)
    )
    assert found["p"] == pytest.approx(smallest_p(14))
    assert found["p_holm"] == pytest.approx(8 * smallest_p(14))


def test_levels_over_runs_have_mean_and_sd_of_the_runs_means():
    data = data_of_study()
    runs = data[(data["shows"] == "runs") & (data["cohort"] == "b")].set_index("one")
    means = np.array([(PATIENTS + 0.05 + 0.01 * np.arange(14)).mean(), (PATIENTS - 0.05).mean()])
    assert runs.loc["wgan/noise-1/epoch-50", "runs"] == 2
    assert runs.loc["wgan/noise-1/epoch-50", "mean"] == pytest.approx(means.mean())
    assert runs.loc["wgan/noise-1/epoch-50", "sd"] == pytest.approx(abs(np.diff(means)[0]) / np.sqrt(2))
    assert np.isnan(runs.loc["wgan/inf/epoch-50", "sd"])


def test_the_next_level_is_taken_at_the_same_epoch_where_both_were_kept_there():
    parts = [gan(level, PATIENTS, epoch=epoch) for level in ("noise-1", "noise-2") for epoch in (29, 50)]
    data = data_of(pd.concat(parts))
    following = data[data["against"] == "next"].set_index(["cohort", "one"])["other"]
    assert following["a", "wgan/noise-2/run-1/epoch-29"] == "wgan/noise-1/run-1/epoch-29"
    assert following["a", "wgan/noise-2/run-1/epoch-50"] == "wgan/noise-1/run-1/epoch-50"


def test_a_patient_without_a_result_leaves_the_pair_and_not_the_table():
    scores = study()
    scores.loc[scores["source"].eq("threshold") & scores["patient"].eq("a-0"), "dsc"] = np.nan
    assert pair(data_of(scores), "noise-1", "threshold")["patients"] == 13
    assert pair(data_of(scores), "noise-1", "real")["patients"] == 14


def test_three_patients_cannot_show_a_difference_and_the_table_says_so():
    data = data_of_study(3)
    assert data["p"].dropna().min() == 0.25
    shown = said(statistics(data))
    assert "smallest possible p with 3 patients: 0.25; after correction for 8 comparisons: 1." in shown
    assert "so few patients can show no difference, however large; 9 or more could" in shown


@pytest.mark.parametrize(("patients", "too_few"), [(3, True), (8, True), (9, False), (14, False)])
def test_the_correction_decides_how_many_patients_are_too_few(patients, too_few):
    shown = said(statistics(data_of_study(patients)))
    assert ("can show no difference" in shown) == too_few


def test_differences_after_correction_are_bold():
    figure = statistics(data_of_study(14))
    bold = {text.get_text() for text in figure.findobj(Text) if text.get_fontweight() == "bold"}
    assert {"+0.12", "-0.16"} <= bold  # noise-1 and noise-2 less the threshold, alike in all patients
    few = statistics(data_of_study(3))
    assert {text.get_text() for text in few.findobj(Text) if text.get_fontweight() == "bold"} == {
        "a: 3 patients",
        "b: 3 patients",
    }


def blind(scores):
    return scores.assign(dsc=0.0)


def unevaluated(scores):
    return scores.assign(dsc=scores["dsc"].where(scores["source"] != "wgan/noise-2/run-1/epoch-50"))


CASES = {
    "one patient": study(1),
    "every prediction empty": blind(study(4)),
    "a level without results": unevaluated(study(4)),
    "no GAN": rows("real", "real", PATIENTS[:4]),
    "a GAN alone": gan("noise-1", PATIENTS[:4]),
    "no private level": study(4)[lambda frame: frame["kind"] != "private"],
    "a level on one cohort only": study(4)[
        lambda frame: ~(frame["source"].str.contains("noise-2") & frame["cohort"].eq("b"))
    ],
}


@pytest.mark.parametrize("case", CASES)
def test_bad_cases_are_tabulated_and_drawn(case):
    data = data_of(CASES[case])
    figure = statistics(as_read_back(data))
    figure.draw_without_rendering()
    assert data["p"].dropna().between(0, 1).all()
    assert data["p_holm"].notna().equals(data["p"].notna())
    if case == "every prediction empty":
        assert (data["p"].dropna() == 1).all()
    if case == "a level without results":
        assert "missing" in texts(figure)
    if case == "no GAN":
        assert any("nothing to compare" in text for text in texts(figure))


def test_a_public_cohort_of_any_name_is_a_column_at_eps_0():
    data = data_of(pd.concat([study(3), rows("ixi", "phantom", PATIENTS[:3] + 0.1)]))
    own = data[(data["against"] == "ixi") & (data["cohort"] == "a")]
    assert own["one"].nunique() == 3
    assert set(own["eps_other"]) == {0}
    assert pair(data, "noise-2", "ixi")["mean_difference"] == pytest.approx(-0.2 - 0.01)
    assert "ixi" in texts(statistics(data))
    bare = data_of(study(3)[lambda frame: frame["kind"] != "baseline"])
    assert "Not in this table: any source at ε = 0." in said(statistics(bare))
