"""The reduced scores table: means over patients, and the run that validation chose."""

import numpy as np
import pandas as pd
import pytest
from scores.examples import free_rows, rows, study

from privessel.scores.tally import choose_private, tally


def test_tally_has_mean_and_sample_sd_over_patients_of_each_cohort():
    one = tally(study()).set_index(["source", "cohort"]).loc[("real", "phantom-b")]
    assert one["dsc_mean"] == pytest.approx(0.85)
    assert one["dsc_sd"] == pytest.approx(0.1 / np.sqrt(2))
    assert one["patients"] == 2


def test_best_run_follows_validation_and_not_the_test_patients():
    table = tally(study())
    best = table[(table["kind"] == "private") & table["best"]]["source"].unique()
    assert sorted(best) == ["wgan/noise-0.65/run-2/epoch-50", "wgan/noise-2/run-2/epoch-50"]


def test_best_run_among_equals_is_the_first_and_one_without_validation_score_is_never_preferred():
    frame = pd.concat(
        [
            rows("wgan/noise-2/run-1/epoch-50", "private", [0.3], noise=2.0, run=1, validation=np.nan),
            rows("wgan/noise-2/run-3/epoch-50", "private", [0.3], noise=2.0, run=3, validation=0.4),
            rows("wgan/noise-2/run-2/epoch-50", "private", [0.3], noise=2.0, run=2, validation=0.4),
        ]
    )
    table = tally(frame)
    assert set(table[table["best"]]["source"]) == {"wgan/noise-2/run-2/epoch-50"}


def test_best_private_run_is_the_first_of_those_with_the_best_validation_score():
    assert choose_private(tally(study())) == "wgan/noise-0.65/run-2/epoch-50"
    assert choose_private(tally(pd.concat(free_rows()))) is None


def test_source_that_was_not_evaluated_on_a_cohort_is_a_row_without_scores():
    lost = rows(
        "wgan/noise-2/run-1/epoch-50", "private", [0.3, 0.3], noise=2.0, run=1, cohorts=("phantom-a",)
    )
    table = tally(pd.concat([*free_rows(), lost])).set_index(["source", "cohort"])
    row = table.loc[("wgan/noise-2/run-1/epoch-50", "phantom-b")]
    assert row["scored"] == 0
    assert row["patients"] == 2
    assert np.isnan(row["dsc_mean"])


def test_a_mean_is_over_the_patients_for_whom_the_metric_is_defined():
    frame = rows("real", "real", [0.8, 0.6, 0.7]).assign(cldice=[0.5, np.nan, 0.7] * 2)
    one = tally(frame).iloc[0]
    assert (one["cldice_mean"], one["dsc_mean"]) == (pytest.approx(0.6), pytest.approx(0.7))
    assert one["scored"] == 3
