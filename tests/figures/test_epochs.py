"""Which epoch is best: means over runs, the eps spent by then, and lines at eps = 0."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from figures.examples import epoch_study, trained
from figures.looking import as_read_back, levels, said, texts

from privessel.figures.epochs import epochs, epochs_data


@cache
def drawn():
    """Return the figure of the small table; tests only look at it."""
    return epochs(epochs_data(epoch_study()))


def curves(axes):
    """Return the lines through the three epochs of a level."""
    lines = [line for line in axes.get_lines() if line.get_marker() in ("None", "")]
    return [line for line in lines if len(line.get_xdata()) == 3]


def test_best_epoch_has_the_highest_mean_over_runs_and_the_eps_spent_by_then():
    data = epochs_data(epoch_study())
    best = data[data["best"]].set_index("level")
    assert best["epoch"].to_dict() == {"inf": 50, "noise-0.65": 29}
    assert best.loc["noise-0.65", "value"] == pytest.approx(0.65)
    assert best.loc["noise-0.65", "eps"] == pytest.approx(6.24 * np.sqrt(29 / 50))
    assert {"29", "4.75", "7.6", "0.65 ± 0.07"} <= set(texts(drawn()))


def test_best_epoch_among_equals_is_the_one_that_spent_less():
    data = epochs_data(trained("noise-2", {50: [0.4], 20: [0.4], 10: [0.3]}, noise=2, eps=0.82))
    assert data[data["best"]]["epoch"].tolist() == [20]


def test_epochs_against_eps_leave_out_what_has_no_privacy():
    private = curves(drawn().axes[1])
    np.testing.assert_allclose(private[0].get_xdata(), 6.24 * np.sqrt(np.array([10, 29, 50]) / 50))
    np.testing.assert_allclose(private[0].get_ydata(), [0.45, 0.65, 0.6])
    assert len(private) == 1
    assert len(curves(drawn().axes[0])) == 2


def test_epochs_have_named_lines_in_both_panels_for_what_costs_no_eps():
    assert epochs_data(epoch_study())["shows"].tolist()[-4:] == ["reference"] * 4
    for axes in drawn().axes[:2]:
        assert levels(axes) == [0.25, 0.55, 0.58, 0.9]
        assert axes.get_ylim()[0] < 0 < 0.9 < axes.get_ylim()[1]
    shown = texts(drawn())
    assert shown.count("Frangi filter (ε = 0)  0.58") == shown.count("phantom-random (ε = 0)  0.90") == 2
    assert "these same validation patients" in said(drawn())


def test_lines_are_no_levels_whose_best_epoch_is_sought():
    with_lines = epochs_data(epoch_study())
    alone = epochs_data(epoch_study()[lambda table: table["epoch"].notna()])
    pd.testing.assert_frame_equal(with_lines[with_lines["shows"] != "reference"], alone, check_dtype=False)


def test_epochs_without_results_keep_the_lines_whatever_their_names_and_say_what_is_missing():
    table = epoch_study().replace({"source": {"frangi": "ixi"}})
    table.loc[table["epoch"].notna() | table["source"].eq("threshold"), "dsc_mean"] = np.nan
    figure = epochs(as_read_back(epochs_data(table)))
    assert texts(figure).count("no results") == 2
    assert levels(figure.axes[1]) == [0.25, 0.58, 0.9]
    assert "No result for: threshold." in said(figure)
    alone = epochs(epochs_data(table[table["epoch"].notna()]))
    assert "Not in this table: any source at ε = 0." in said(alone)


def test_epoch_of_a_failed_run_is_the_mean_of_the_others_and_counted():
    table = epoch_study()
    table.loc[(table["epoch"] == 29) & (table["run"] == 2), "dsc_mean"] = np.nan
    data = epochs_data(table)
    assert data[data["best"] & (data["level"] == "noise-0.65")]["value"].tolist() == [0.7]
    assert any("No result for 1 of 9 runs and epochs." in text for text in texts(epochs(data)))


def test_epochs_of_two_architectures_are_lines_of_their_own():
    both = pd.concat([epoch_study(), trained("inf", {10: [0.5]}, arch="dcgan")], ignore_index=True)
    data = epochs_data(both)
    assert set(data[data["shows"] != "reference"]["model"]) == {"wgan inf", "wgan noise-0.65", "dcgan inf"}
