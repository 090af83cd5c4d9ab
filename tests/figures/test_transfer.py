"""Transfer learning: means over patients and draws, a line a start, and lines at eps = 0."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from figures.examples import GP_SN, transferred, tuned
from figures.looking import as_read_back, levels, said, texts

from privessel.figures.transfer import transfer, transfer_data, transfer_table
from privessel.study.names import FREE_KINDS


@cache
def drawn():
    """Return the figure of the small table; tests only look at it."""
    return transfer(transfer_data(transferred()))


def test_transfer_averages_test_patients_first_and_takes_the_spread_over_draws():
    data = transfer_data(transferred())
    scratch = data[(data["start"] == "scratch") & (data["metric"] == "dsc") & (data["patients"] == 1)]
    np.testing.assert_allclose(scratch[scratch["shows"] == "draw"]["value"], [0.2, 0.4])
    mean = scratch[scratch["shows"] == "mean"].iloc[0]
    assert mean["value"] == pytest.approx(0.3)
    assert mean["sd"] == pytest.approx(0.2 / np.sqrt(2))
    assert mean["draws"] == 2


def test_transfer_as_it_was_and_single_draws_have_no_spread_and_scratch_no_start():
    table = transfer_table(transfer_data(transferred()))
    assert table.loc[(GP_SN, "dsc")].tolist() == ["0.70", "0.76 ± 0.01", "0.81 ± 0.01"]
    assert table.loc[("scratch", "dsc"), 0] == "–"
    assert table.loc[("wgan/noise-0.65/run-2/epoch-50", "dsc"), 1] == "0.60"
    assert table.loc[("scratch", "hd95_mm"), 1] == "24.0 ± 2.8"


def test_transfer_draws_a_line_a_start_and_names_its_eps():
    lines = drawn().axes[0].get_lines()
    starts = {line.get_label(): line.get_ydata() for line in lines if len(line.get_ydata()) > 1}
    np.testing.assert_allclose(starts[GP_SN], [0.7, 0.76, 0.81])
    shown = set(texts(drawn()))
    assert {"nothing (from scratch)", "wgan-gp-sn, ε = ∞", "ε = 6.24 a patch (10.2), noise 0.65"} <= shown


def test_transfer_has_a_line_and_a_row_for_each_source_that_costs_no_privacy():
    data = transfer_data(transferred())
    free = data[data["shows"] == "reference"]
    assert set(free["start"]) == {"phantom-random", "phantom-one", "threshold", "frangi"}
    assert set(free["patients"]) == {0}
    table = transfer_table(data)
    assert table.loc[("phantom-random", "dsc")].tolist() == ["0.60", "–", "–"]
    assert table.index[-1][0] == "threshold"
    panels = drawn().axes
    for axes, dsc in ((panels[0], lambda value: value), (panels[1], lambda value: 30 - 20 * value)):
        np.testing.assert_allclose(levels(axes), sorted(dsc(value) for value in (0.25, 0.6, 0.62, 0.64)))
        assert axes.get_xticks().tolist() == [0, 1, 2]
    assert {"Frangi filter (ε = 0)  0.64", "Frangi filter (ε = 0)  17.2"} <= set(texts(drawn()))


def test_a_public_cohort_of_any_name_is_a_line_and_a_missing_kind_is_said():
    table = pd.concat([transferred(), tuned("ixi", "phantom", {0: [0.71]})])
    figure = transfer(as_read_back(transfer_data(table)))
    assert "ixi (ε = 0)  0.71" in texts(figure)
    assert 0.71 in np.round(levels(figure.axes[0]), 6)
    bare = transferred()[lambda frame: frame["kind"] != "baseline"]
    assert "Not in this table: any baseline." in said(transfer(transfer_data(bare)))


def test_transfer_whose_training_failed_keeps_the_lines():
    table = transferred()
    table.loc[~table["kind"].isin(FREE_KINDS), ["dsc", "hd95_mm"]] = np.nan
    figure = transfer(as_read_back(transfer_data(table)))
    assert texts(figure).count("no results") == 2
    assert levels(figure.axes[0]) == pytest.approx([0.25, 0.6, 0.62, 0.64])


def test_transfer_of_several_cohorts_is_refused_by_name():
    table = transferred()
    table.loc[:3, "cohort"] = "phantom-c"
    with pytest.raises(ValueError, match="phantom-c, phantom-b"):
        transfer_data(table)


def test_transfer_shows_a_cell_without_results_as_missing():
    table = transferred()
    table.loc[(table["start"] == GP_SN) & (table["patients"] == 1), ["dsc", "hd95_mm"]] = np.nan
    data = as_read_back(transfer_data(table))
    assert transfer_table(data).loc[(GP_SN, "dsc"), 1] == "missing"
    assert any("fewer test patients" in text for text in texts(transfer(data)))
