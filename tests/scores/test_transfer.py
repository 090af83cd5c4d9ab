"""Transfer learning: which patients are drawn, and the table of what they were worth."""

from pathlib import PurePath

import numpy as np
import pandas as pd
import pytest

from privessel.scores.transfer import COLUMNS, collect, transfer_origin
from privessel.seeds import draw

NAMES = [f"b{number:03d}" for number in range(15)]
START = "wgan/noise-1/run-1/epoch-2"
FREE = {"phantom-one": "phantom", "threshold": "baseline"}


def test_a_draw_has_k_different_patients_of_the_list_in_its_order():
    for k in range(1, 16):
        drawn = draw(NAMES, k, seed=k)
        assert len(set(drawn)) == k
        assert drawn == [name for name in NAMES if name in drawn]


def test_draws_repeat_with_the_seed_and_reach_every_patient_equally_often():
    counts = pd.Series([name for seed in range(3000) for name in draw(NAMES, 3, seed=seed)]).value_counts()
    assert draw(NAMES, 3, seed=4) == draw(NAMES, 3, seed=4)
    # 600 expected each, SD 22.
    assert counts.min() > 500
    assert counts.max() < 700


def test_more_than_there_are_cannot_be_drawn():
    with pytest.raises(ValueError, match="larger than population"):
        draw(NAMES, 16, seed=0)


def metrics(patient, dsc):
    row = {"hd95_voxel": 3.0, "hd95_mm": 2.0, "bahd_voxel": 1.0, "empty": 0, "tp": 5}
    return {"patient": patient, "dsc": dsc} | row


@pytest.fixture
def table():
    tuned = [
        metrics("b001", 0.5)
        | transfer_origin(PurePath(f"m/metrics/transfer/{start}/patients-{k}/draw-{d}/b.csv"))
        for start in (START, "scratch")
        for k in (10, 2)
        for d in (1, 2)
    ]
    known = {"kind": "private", "level": "noise-1", "noise_multiplier": 1.0, "unit": "patch"}
    known |= {"eps": 3.0, "eps_published": 2.0}
    scores = [
        metrics("b001", 0.1) | known | {"source": source, "cohort": cohort}
        for source in (START, "wgan/inf/run-1/epoch-2")
        for cohort in ("a", "b")
    ]
    scores += [
        metrics(f"{cohort}001", dsc) | {"source": source, "kind": kind, "cohort": cohort}
        for source, kind in ({"real": "real"} | FREE).items()
        for cohort, dsc in (("a", 0.9), ("b", 0.3))
    ]
    return collect(pd.DataFrame(tuned), pd.DataFrame(scores), starts=[START], cohort="b")


def test_the_start_as_it_was_stands_as_k_0_and_scratch_has_no_such_row(table):
    assert list(table.columns) == COLUMNS
    first = table[(table["patients"] == 0) & ~table["start"].isin(FREE)]
    assert first[["start", "cohort", "draw", "dsc"]].to_numpy().tolist() == [[START, "b", 0, 0.1]]


def test_what_costs_no_eps_stands_below_with_its_score_on_the_second_cohort_and_no_patient_of_it(table):
    free = table[table["start"].isin(FREE)]
    assert free[["start", "kind", "patients", "draw", "cohort", "dsc"]].to_numpy().tolist() == [
        [source, kind, 0, 0, "b", 0.3] for source, kind in FREE.items()
    ]
    assert free["eps"].isna().all()
    assert table["start"].tolist()[-2:] == list(FREE)
    assert "real" not in set(table["start"])


def test_every_row_of_a_start_carries_its_eps_and_scratch_has_none(table):
    assert (table.loc[table["start"] == START, "eps"] == 3.0).all()
    assert (table.loc[table["start"] == START, "kind"] == "private").all()
    scratch = table[table["start"] == "scratch"]
    assert scratch["eps"].isna().all()
    assert (scratch["kind"] == "scratch").all()


def test_rows_are_ordered_by_start_patients_and_draw(table):
    keys = table[["start", "patients", "draw"]].to_numpy().tolist()
    grid = [[k, d] for k in (2, 10) for d in (1, 2)]
    tuned = [["scratch", *each] for each in grid] + [[START, 0, 0]] + [[START, *each] for each in grid]
    assert keys == tuned + [[source, 0, 0] for source in FREE]
    assert np.isfinite(table["hd95_mm"]).all()
