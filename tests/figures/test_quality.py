"""Figures 6 and 8: their data, and points, lines and notes drawn of them."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from figures.examples import identity, measured, quality
from figures.looking import as_read_back, points, said, texts

from privessel.figures.quality import fig6, fig6_data, fig8, fig8_data


@cache
def drawn():
    """Return figure 6 of the small study; tests only look at it."""
    return fig6(fig6_data(quality()))


def test_figure_6_has_both_distances_of_every_run_and_their_difference():
    data = fig6_data(quality())
    run = data[data["source"] == "wgan/noise-0.65/run-2/epoch-50"].set_index("measure")["value"]
    assert run.to_dict() == {"train": 240, "test": 260, "test - train": 20}
    assert data[data["shows"] == "runs"].drop_duplicates("model")["eps"].tolist() == [0.82, 6.24, np.inf]


def test_figure_6_draws_runs_as_points_and_joins_their_means():
    axes = fig6(fig6_data(quality())).axes
    assert points(axes[0], "s") == [100, 220, 240, 420, 440]
    assert points(axes[0], "^") == [120, 230, 260, 430, 460]
    joined = [list(line.get_ydata()) for line in axes[0].get_lines() if len(line.get_ydata()) == 3]
    assert joined == [[430, 230, 100], [445, 245, 120]]
    assert points(axes[1], "o") == [10, 10, 20, 20, 20]


def test_figure_6_has_lines_for_the_floor_and_for_what_costs_no_privacy():
    shown = set(texts(fig6(fig6_data(quality()))))
    assert {"real: half to half  50.0", "real: training to test  89.0", "real patches  39.0"} <= shown
    assert {"phantom-random (ε = 0) to training  240", "phantom-random (ε = 0) to test  244"} <= shown
    assert {"phantom-one (ε = 0)  10.0", "phantom-random (ε = 0)  4.00"} <= shown


def test_figure_6_says_fid_only_where_the_table_does():
    assert "FID" not in said(drawn())
    assert "EfficientNet-Lite0" in said(drawn())
    assert "FID" in texts(fig6(fig6_data(quality().assign(extractor="FID"))))


def test_a_public_cohort_of_any_name_has_its_lines():
    table = pd.concat([quality(), pd.DataFrame([measured(identity("ixi", "phantom"), 210, 215, 0.45)])])
    data = fig6_data(table)
    assert data[(data["source"] == "ixi") & (data["shows"] == "reference")]["value"].tolist() == [210, 215, 5]
    assert "ixi (ε = 0)  0.45" in texts(fig8(fig8_data(table)))


def test_figure_6_warns_of_distances_from_sets_of_different_size():
    table = quality()
    table.loc[table["source"] == "wgan/inf/run-1/epoch-50", "images_frechet"] = 500
    assert any("Sets of 500 to 2,000 images" in text for text in texts(fig6(fig6_data(table))))


def test_figure_8_has_mean_and_spread_over_runs_and_not_over_pairs():
    data = fig8_data(quality())
    level = data[(data["shows"] == "level") & (data["eps"] == 6.24)].iloc[0]
    assert level["value"] == pytest.approx(0.415)
    assert level["sd"] == pytest.approx(0.01 / np.sqrt(2))
    single = data[(data["shows"] == "level") & (data["level"] == "inf")].iloc[0]
    assert np.isnan(single["sd"])
    drawn = fig8(data)
    np.testing.assert_allclose(points(drawn.axes[0], "o"), [0.32, 0.41, 0.42, 0.97, 0.98])
    assert {"real patches  0.30", "phantom-random (ε = 0)  0.40"} <= set(texts(drawn))


def test_a_collapsed_generator_stays_inside_figure_8():
    table = quality()
    table.loc[table["noise_multiplier"] == 2, "ssim_mean"] = 1.0
    axes = fig8(fig8_data(table)).axes[0]
    assert axes.get_ylim()[0] <= 0 < 1 < axes.get_ylim()[1]


@pytest.mark.parametrize(("prepare", "draw"), [(fig6_data, fig6), (fig8_data, fig8)])
def test_quality_figures_keep_the_place_of_a_level_without_results_and_say_so(prepare, draw):
    table = quality()
    table.loc[table["noise_multiplier"] == 2, ["frechet_train", "frechet_test", "ssim_mean"]] = np.nan
    shown = texts(draw(as_read_back(prepare(table))))
    assert {"no result", "0.82"} <= set(shown)
    assert any("wgan/noise-2/run-1/epoch-50 and 1 more" in text for text in shown)


def test_what_is_not_in_the_table_is_said():
    table = quality()
    bare = said(fig8(fig8_data(table[table["kind"] == "real"])))
    assert "Not in this table: any public cohort." in bare
    assert "No GAN in this table." in bare
    assert "No private GAN in this table." in said(fig8(fig8_data(table[table["kind"] != "private"])))
