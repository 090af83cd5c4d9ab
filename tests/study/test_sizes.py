"""What a study is too small for is said once, with a remedy; the paper's study is not."""

import numpy as np
import pytest
from study.studies import PAPER, TINY, make

from privessel.scores.significance import bootstrap_mean, smallest_p
from privessel.study import sizes


def test_the_papers_study_is_large_enough():
    assert make(*PAPER).notices == []


def test_the_limits_are_those_of_the_statistics():
    fewest = sizes.LEAST_PATIENTS
    ends = [bootstrap_mean([0.5, 0.6, 0.8][:count], seed=1) for count in (fewest - 1, fewest)]
    assert np.isfinite(ends).all(axis=1).tolist() == [False, True]
    assert smallest_p(sizes.FEWEST_FOR_P) < 0.05 <= smallest_p(sizes.FEWEST_FOR_P - 1)


def study_of(train, validation, test, **changes):
    """The tiny study with as many simulated patients."""
    patients = {"train": train, "validation": validation, "test": test}
    changes = {"test_cohorts": ["phantom-a"], "transfer": {"patients": []}} | changes
    return make(*TINY, cohorts={"phantom-a": {"phantom": {"patients": patients}}}, **changes)


def test_three_patients_are_told_which_figures_will_be_empty():
    notices = study_of(1, 1, 1, gan={"steps_per_epoch": 3}, levels=["inf"], shuffled=[], export=[],
                       epoch_study={"levels": [], "epochs": []}).notices  # fmt: skip
    assert [notice.split(" has ")[1][:8] for notice in notices] == ["1 train ", "1 valida", "1 test p"]
    assert "figure 6" in notices[0]
    assert "intervals" in notices[2]
    assert all("Remedy: " in notice for notice in notices)


def test_notices_are_told_where_all_warnings_of_a_study_are(caplog):
    study = study_of(1, 1, 1)
    study.tell_notices()
    told = [record.getMessage() for record in caplog.records if record.name == "privessel"]
    assert told == [f"Note: {notice}" for notice in study.notices]
    assert len(told) >= 3


@pytest.mark.parametrize(("test", "said"), [(2, "no intervals"), (5, "no paired test"), (6, None)])
def test_test_patients_are_compared_with_what_statistics_need(test, said):
    notices = [notice for notice in study_of(3, 3, test).notices if "test patient" in notice]
    assert bool(notices) == bool(said)
    assert all(said in notice for notice in notices)
    assert ("no intervals" in "".join(notices)) == (test < 3)


def test_a_level_is_told_when_it_samples_a_large_share_of_few_units():
    assert any("gan.batch 16 is 20.0% of the 80 units" in notice for notice in make(*TINY).notices)
    units = {"unit": "patient", "patient_patches": 8}
    notices = make(*TINY, privacy=units, gan={"private": {"batch": 2}}).notices
    assert any("so few need so much noise" in notice for notice in notices)
