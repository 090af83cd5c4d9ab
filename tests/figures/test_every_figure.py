"""Every figure drawn from a CSV: the file alone decides the picture, and no table breaks it."""

import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest
from figures.audited import audited, membership, roc
from figures.examples import architectures, epoch_study, quality, transferred
from figures.looking import as_read_back, cut_off, overlaps, pixels
from scores.examples import rows, study

from privessel.figures.registry import FIGURES, load

pytestmark = pytest.mark.slow  # left out of make test-fast

TABLES = {"scores": study, "quality": quality, "transfer": transferred, "epochs": epoch_study}
# Those of one table, as the workflow tabulates them; the registry says which.
SINGLE = {entry.name: entry for entry in FIGURES.values() if entry.table}


def table_of(name):
    """Return a full table for a figure; the comparison of GANs needs other architectures in it."""
    return architectures() if name == "gan_comparison" else TABLES[SINGLE[name].table]()


def tabulate(name, table):
    entry = SINGLE[name]
    return load(entry.tabulate)(table, **({"seed": 3} if entry.seeded else {}))


@cache
def data_of(name):
    if name == "utility_privacy":
        return audited()
    if name == "attacks":
        return load(FIGURES["attacks"].tabulate)(roc(), membership(), unit="patch")
    return tabulate(name, table_of(name))


def draw(name, data):
    return load(FIGURES[name].draw)(data)


@pytest.mark.parametrize("name", [*SINGLE, "utility_privacy", "attacks"])
def test_redrawn_from_its_csv_alone_a_figure_has_the_same_pixels_and_no_texts_overlap(name):
    from_memory, from_file = draw(name, data_of(name)), draw(name, as_read_back(data_of(name)))
    assert pixels(from_memory) == pixels(from_file)
    assert not overlaps(from_memory)
    assert not cut_off(from_memory)


@pytest.mark.parametrize("name", SINGLE)
def test_a_table_read_back_from_csv_makes_the_same_data(name):
    again = tabulate(name, as_read_back(table_of(name)))
    pd.testing.assert_frame_equal(again, data_of(name), check_dtype=False)


@pytest.mark.parametrize("name", SINGLE)
def test_tables_with_nothing_with_one_row_and_without_any_score_draw_without_warnings(name):
    full = table_of(name)
    numbers = full.select_dtypes("number").columns
    scores = [
        key
        for key in numbers
        if key.startswith(("dsc", "bahd", "cldice", "component", "hd95", "frechet", "ssim"))
    ]
    private = full[full["noise_multiplier"] == 0.65].head(1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for case in (full.head(0), full.head(1), private, full.assign(**dict.fromkeys(scores, np.nan))):
            draw(name, as_read_back(tabulate(name, as_read_back(case)))).draw_without_rendering()


BAD_SCORES = {
    "an empty prediction": rows("wgan/noise-2/run-1/epoch-50", "private", [0.0], noise=2.0, run=1),
    "perfect, distance 0": rows("wgan/inf/run-1/epoch-50", "inf", [1.0, 1.0], run=1, bahd_voxel=0.0),
    "no real patches": study()[lambda frame: frame["source"] != "real"],
}


@pytest.mark.parametrize("case", BAD_SCORES)
def test_odd_scores_draw_without_warnings(case):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in ("fig3", "table1"):
            draw(name, as_read_back(tabulate(name, BAD_SCORES[case]))).draw_without_rendering()
