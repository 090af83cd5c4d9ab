"""Real patches and what costs no privacy are found by what they are, whatever they are called."""

import pandas as pd
import pytest

from privessel.scores.references import list_free, list_missing, select_references

TABLE = pd.DataFrame(
    [
        ("cow", "baseline"),
        ("ixi", "phantom"),
        ("phantom-one", "phantom"),
        ("wgan/inf/run-1/epoch-5", "inf"),
        ("real", "real"),
        ("frangi", "baseline"),
        ("phantom-random", "phantom"),
    ],
    columns=["source", "kind"],
)


def test_references_are_real_patches_then_the_shipped_sources_then_all_others_in_the_order_of_the_table():
    shipped = ["phantom-random", "phantom-one", "frangi"]
    assert select_references(TABLE)["source"].tolist() == ["real", *shipped, "cow", "ixi"]
    assert list_free(TABLE) == [*shipped, "cow", "ixi"]
    assert select_references(TABLE, kinds=("phantom",))["source"].tolist() == [*shipped[:2], "ixi"]


def test_rows_of_one_source_keep_their_order():
    twice = pd.concat([TABLE.assign(cohort="a"), TABLE.assign(cohort="b")])
    chosen = select_references(twice)
    assert chosen["cohort"].tolist() == ["a", "b"] * 6


def test_a_name_makes_no_reference():
    assert list_free(TABLE.assign(kind="inf")) == []


@pytest.mark.parametrize(
    ("kind", "missing"),
    [("real", "real patches"), ("phantom", "any public cohort"), ("baseline", "any baseline")],
)
def test_a_kind_without_any_source_is_missing(kind, missing):
    assert list_missing(TABLE) == []
    assert list_missing(TABLE[TABLE["kind"] != kind]) == [missing]
