"""Figures 3 and 5: their data against hand-made numbers, and what is drawn of them."""

from functools import cache, partial

import numpy as np
import pandas as pd
import pytest
from figures.looking import as_read_back, overlaps, said, texts
from matplotlib.collections import LineCollection
from scores.examples import demo, free_rows, rows, study, three_patients

from privessel.figures import scores
from privessel.figures.scores import fig3, fig5
from privessel.files.tables import read_table

fig3_data = partial(scores.fig3_data, seed=3)
fig5_data = partial(scores.fig5_data, seed=3)


@cache
def drawn():
    """Return figure 3 of the small study; tests only look at it."""
    return fig3(fig3_data(study()))


def test_epochs_of_one_level_are_models_of_their_own_because_their_eps_differ():
    early = rows("wgan/noise-2/run-1/epoch-29", "private", [0.3], noise=2.0, run=1, epoch=29)
    late = rows("wgan/noise-2/run-1/epoch-50", "private", [0.4], noise=2.0, run=1)
    data = fig3_data(pd.concat([early, late]))
    assert data["model"].nunique() == 2
    assert {"epoch", "29", "50"} <= set(texts(fig3(data)))


def test_figure_3_panel_a_has_the_mean_of_every_run_and_b_of_the_best_by_validation():
    data = fig3_data(study())
    runs = data[(data["panel"] == "A") & (data["noise_multiplier"] == 0.65)]
    np.testing.assert_allclose(runs.sort_values("run")["value"], [0.5, 0.6, 0.7])
    assert runs["sd"].isna().all()
    best = data[(data["panel"] == "B") & (data["noise_multiplier"] == 0.65)].iloc[0]
    assert (best["run"], best["value"], best["sd"]) == (
        2,
        pytest.approx(0.6),
        pytest.approx(0.1 / np.sqrt(2)),
    )


def test_figure_3_panel_c_is_the_balanced_distance_in_voxels_of_the_same_run():
    data = fig3_data(study())
    best = data[(data["panel"] == "C") & (data["noise_multiplier"] == 0.65)].iloc[0]
    assert best["value"] == pytest.approx(np.mean([0.5 / 0.55, 0.5 / 0.65]))


def test_levels_run_from_strict_privacy_to_none():
    data = fig3_data(study())
    order = data[(data["panel"] == "B") & (data["shows"] == "best")]["eps"].tolist()
    assert order == [0.82, 6.24, np.inf]


def test_every_panel_carries_the_rows_that_cost_no_privacy():
    data = fig3_data(study())
    for _, panel in data.groupby("panel"):
        lines = panel[panel["shows"] == "reference"]["source"].tolist()
        assert lines == ["real", "phantom-random", "phantom-one", "threshold", "frangi"]


def test_figure_5_is_about_the_second_cohort_only():
    frame = study()
    frame.loc[frame["cohort"] == "phantom-b", "dsc"] /= 2
    data = fig5_data(frame)
    assert set(data["cohort"]) == {"phantom-b"}
    real = data[(data["panel"] == "A") & (data["source"] == "real")]["value"].iloc[0]
    assert real == pytest.approx(0.425)


def test_axis_names_the_eps_of_patient_region_and_patch_and_the_published_one_of_every_level():
    shown = texts(drawn())
    assert {"6,240", "125", "6.24", "10.2", "820", "16.4", "0.82", "1.31", "∞", "0.65", "2"} <= set(shown)
    names = ["ε of a patient", "ε of a region", "ε of a patch", "published ε"]
    assert [text for text in shown if "ε of a" in text or text == "published ε"] == names


def test_where_the_patient_is_the_unit_one_eps_covers_regions_and_patches():
    scores = study()
    data = fig3_data(scores.assign(unit=scores["unit"].replace("patch", "patient")), seed=0)
    assert {"ε of a patient", "published ε"} <= set(texts(fig3(data)))
    assert not {"ε of a region", "ε of a patch"} & set(texts(fig3(data)))


def test_reference_lines_lie_at_their_values_and_are_named():
    heights = {round(float(line.get_ydata()[0]), 6) for line in drawn().axes[1].get_lines()}
    assert {0.85, 0.25, 0.7, 0.6, 0.45} <= heights
    assert {"real patches  0.85", "phantom-random (ε = 0)  0.70", "Frangi filter (ε = 0)  0.45"} <= set(
        texts(drawn())
    )


def test_a_box_needs_three_runs_and_a_single_run_is_a_point():
    boxed, single = drawn().axes[0], fig3(fig3_data(demo())).axes[0]
    markers = [line for line in single.get_lines() if line.get_marker() == "o"]
    assert len(markers) == 2
    assert len(boxed.get_lines()) > len(single.get_lines()) + 10


def test_error_bars_span_one_sd_to_either_side():
    axes = drawn().axes[1]
    bars = [path for lines in axes.findobj(LineCollection) for path in lines.get_paths()]
    spans = {(round(p.vertices[0, 1], 6), round(p.vertices[1, 1], 6)) for p in bars}
    sd = 0.1 / np.sqrt(2)
    assert (round(0.6 - sd, 6), round(0.6 + sd, 6)) in spans


def test_a_figure_of_the_level_inf_alone_shows_it_from_its_csv(tmp_path):
    """A column of nothing but `inf` must not become numbers."""
    data = fig3_data(rows("wgan/inf/run-1/epoch-5", "inf", [0.5, 0.5], run=1))
    data.to_csv(tmp_path / "fig3.csv", index=False)
    assert texts(fig3(read_table(tmp_path / "fig3.csv"))) == texts(fig3(data))
    assert "∞" in texts(fig3(data))


def test_scores_read_back_from_csv_with_the_level_inf_alone_still_count():
    frame = pd.concat([*free_rows(), rows("wgan/inf/run-1/epoch-5", "inf", [0.5, 0.5], run=1)])
    pd.testing.assert_frame_equal(fig3_data(as_read_back(frame)), fig3_data(frame), check_dtype=False)


def test_interval_of_three_patients_spans_them_and_is_a_bar_beside_the_arm():
    # The mean of 3 draws of 3 is the smallest value once in 27 times, more than 2.5 % of the resamples.
    data = fig3_data(three_patients())
    best = data[(data["panel"] == "B") & (data["shows"] == "best")].iloc[0]
    assert (best["low"], best["high"]) == (pytest.approx(0.1), pytest.approx(0.5))
    axes = fig3(data).axes[1]
    bars = [
        lines.get_segments()[0] for lines in axes.findobj(LineCollection) if lines.get_linewidth()[0] == 3
    ]
    assert len(bars) == 1
    (x, low), (_, high) = bars[0]
    assert x > 0
    assert (low, high) == (pytest.approx(0.1), pytest.approx(0.5))


def test_only_means_that_are_drawn_with_an_arm_have_an_interval():
    data = fig3_data(three_patients())
    assert data[data["shows"] != "best"][["low", "high"]].isna().all(axis=None)
    assert data[data["shows"] == "best"][["low", "high"]].notna().all(axis=None)


def test_all_predictions_empty_is_drawn_hollow_and_said():
    blind = rows("wgan/noise-2/run-1/epoch-50", "private", [0.0, 0.0], noise=2.0, run=1)
    figure = fig3(fig3_data(pd.concat([*free_rows(), blind])))
    hollow = [line for line in figure.axes[1].get_lines() if line.get_markerfacecolor() == "white"]
    assert len(hollow) == 1
    shown = " ".join(texts(figure)).replace("\n", " ")
    assert "no vessel found in any patient by wgan/noise-2/run-1/epoch-50" in shown
    assert "Hollow" in shown


def test_level_without_any_result_keeps_its_place():
    failed = rows("wgan/noise-2/run-1/epoch-50", "private", [None, None], noise=2.0, run=1)
    shown = texts(fig3(fig3_data(pd.concat([demo(), failed]))))
    assert "no result" in shown
    assert "0.82" in shown


def test_single_patient_has_no_error_bar_and_the_figure_says_why():
    frame = demo()
    frame = frame[frame["patient"].str.endswith("-0")]
    figure = fig3(fig3_data(frame))
    assert not figure.axes[1].findobj(LineCollection)
    assert any("one patient, so there is no SD" in text for text in texts(figure))


def test_two_patients_have_no_interval_and_the_figure_says_so():
    assert fig3_data(study())[["low", "high"]].isna().all(axis=None)
    assert "phantom-a: too few patients for a 95 % interval, which needs 3." in said(drawn())


def test_one_cohort_only_leaves_figure_5_empty_with_a_note():
    frame = demo()[lambda table: table["cohort"] == "phantom-a"]
    assert "no such test cohort" in said(fig5(fig5_data(frame)))


def test_missing_references_and_missing_gans_are_said():
    shown = said(fig3(fig3_data(rows("real", "real", [0.8, 0.9]))))
    assert "Not in this table: any public cohort, any baseline." in shown
    assert "No GAN in this table." in shown


def test_no_two_texts_overlap_where_lines_lie_close_and_levels_are_many():
    full = [rows("wgan/inf/run-1/epoch-50", "inf", [0.8, 0.9], run=1)]
    for k, noise in enumerate((0.65, 0.725, 0.8, 1, 1.2, 1.5, 2), start=1):
        more = {"noise": noise, "run": 1, "eps": 6.24 / k, "eps_published": 10.18 / k}
        full.append(rows(f"wgan/noise-{noise:g}/run-1/epoch-50", "private", [0.4, 0.5], **more))
    close = [rows(name, "baseline", [0.6, 0.61 + k / 1000]) for k, name in enumerate(("threshold", "frangi"))]
    assert not overlaps(fig3(fig3_data(pd.concat([*free_rows()[:3], *close, *full]))))
