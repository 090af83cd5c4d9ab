"""Which models and which patient the pictures show."""

import pandas as pd
from scores.examples import free_rows, rows, study

from privessel.scores.choice import add_scores, choose_lowest, choose_patient, choose_references


def test_lowest_levels_are_the_best_runs_of_the_smallest_valid_eps():
    assert choose_lowest(study(), 1)["source"].tolist() == ["wgan/noise-2/run-2/epoch-50"]
    both = ["wgan/noise-0.65/run-2/epoch-50", "wgan/noise-2/run-2/epoch-50"]
    assert choose_lowest(study(), 3)["source"].tolist() == both
    assert choose_lowest(pd.concat(free_rows()), 3).empty


def test_references_are_real_patches_and_the_best_of_what_needs_no_eps():
    frame = study()
    frame.loc[frame["source"] == "frangi", "validation_dsc"] = 0.7
    shown = choose_references(frame)
    assert shown["level"].tolist() == ["real", "frangi (ε = 0)"]
    assert choose_references(frame[frame["kind"] == "real"])["source"].tolist() == ["real"]


def test_scores_of_a_patient_are_those_of_the_cohort_shown():
    frame = study().assign(patient="sub-01").drop_duplicates(["source", "cohort"])
    frame.loc[frame["cohort"] == "phantom-b", "dsc"] = 0.25
    shown = add_scores(choose_lowest(frame, 2), frame, cohort="phantom-b", patient="sub-01")
    assert shown["dsc"].tolist() == [0.25, 0.25]
    lost = add_scores(shown[["source"]], frame, cohort="phantom-b", patient="sub-02")
    assert lost["dsc"].isna().tolist() == [True, True]


def test_a_public_cohort_of_any_name_may_be_the_best_reference():
    frame = pd.concat([study(), rows("ixi", "phantom", [0.7, 0.7], validation=0.9)])
    assert choose_references(frame)["level"].tolist() == ["real", "ixi (ε = 0)"]


def test_the_patient_shown_has_the_median_dsc_with_real_patches():
    frame = pd.concat([rows("real", "real", [0.9, 0.5, 0.7, 0.8]), rows("frangi", "baseline", [0.1] * 4)])
    assert choose_patient(frame, cohort="phantom-b") == "phantom-b-2"
