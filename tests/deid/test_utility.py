"""What is measured in the heads of each method, scan by scan, and how it is summed up."""

import numpy as np
import pandas as pd
import pytest
from deid.people import scan

from privessel.deid.frame import Framed, Place
from privessel.deid.gamma import Gamma
from privessel.deid.head_cohort import scanner_affine
from privessel.deid.utility import COLUMNS, HeadFiles, join, measure_tissues, predict_ages, tabulate_volumes
from privessel.files.arrays import write_arrays

SCANS = [{"name": f"0{n}_01", "person": f"0{n}", "session": "01"} for n in (1, 2)]


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("heads")
    frames, gammas, made, hulls = [], [], [], {}
    for n, one in enumerate(SCANS):
        image, brain = scan(n + 1)
        place = Place(32, scanner_affine(32), 1.0)
        frames.append(folder / f"frame{n}.npz")
        Framed(image, brain, place).save(frames[-1])
        hulls[one["name"]] = image > 0.15
        gammas.append(folder / f"gamma{n}.npz")
        Gamma(hulls[one["name"]], brain, np.where(brain, image, 0)).save(gammas[-1])
        # A GAN's head that has lost two voxels of the brain, and is else the scan.
        head = image.copy()
        head[tuple(np.argwhere(brain)[:2].T)] += 0.125
        made.append(folder / f"made{n}.npz")
        write_arrays(made[-1], image=head)
    write_arrays(folder / "hulls.npz", **hulls)
    average = np.mean([scan(n)[0] for n in range(4, 8)], 0)
    return HeadFiles(SCANS, frames, gammas, {"brain": folder / "hulls.npz"}, {"paper": made}, average)


@pytest.fixture(scope="module")
def measured(files, tmp_path_factory):
    archive = tmp_path_factory.mktemp("labels") / "original.npz"
    tables = {}
    for method in ("original", "deface", "gan-paper", "hull-brain"):
        references = None if method == "original" else archive
        tables[method], labels = measure_tissues(method, files, references=references)
        if method == "original":
            write_arrays(archive, **labels)
    return tables


def test_every_kind_of_method_makes_heads(files):
    framed = Framed.load(files.frames[0])
    original = files.make("original", 0, framed)
    np.testing.assert_array_equal(original, framed.image)
    assert (files.make("deface", 0, framed) != original).any()
    assert (files.make("gan-paper", 0, framed) != original).sum() == 2
    hull = files.make("hull-paper", 0, framed)
    np.testing.assert_array_equal(hull, files.make("hull-brain", 0, framed))
    assert set(np.unique(hull[~framed.brain])) == {0, 0.5}


def test_brain_voxels_that_a_method_changes_are_counted(measured):
    assert measured["gan-paper"]["changed_brain_voxels"].tolist() == [2, 2]
    for method in ("original", "deface", "hull-brain"):
        assert measured[method]["changed_brain_voxels"].tolist() == [0, 0]


def test_a_failed_extraction_is_told_with_dice_0_and_no_volume(measured):
    hull = measured["hull-brain"]
    assert hull["failed"].tolist() == [1, 1]
    assert (hull[["gm_dice", "brain_dice", "gm_ml", "brain_ml"]] == 0).all(axis=None)
    assert measured["original"]["failed"].tolist() == [0, 0]
    assert measured["original"]["gm_dice"].isna().all()
    assert (measured["deface"]["brain_dice"] > 0.95).all()


def test_ages_before_and_after_stand_in_one_row_with_the_known_age(measured, files):
    predicted = predict_ages(list(measured), files, predict=lambda head: float(head.sum()))
    tables = join(measured, predicted, {"01": 40.0}, truth=True)
    for method, table in tables.items():
        assert list(table.columns) == COLUMNS
        assert table["age"].tolist()[0] == 40
        assert table["age"].isna().tolist() == [False, True]
        own = [files.make(method, place, Framed.load(files.frames[place])).sum() for place in (0, 1)]
        assert table["age_after"].tolist() == pytest.approx(own)
        assert table["age_original"].tolist() == tables["original"]["age_after"].tolist()
    assert tables["original"]["against"].tolist() == ["truth", "truth"]
    assert tables["deface"]["against"].tolist() == ["original", "original"]
    assert join(measured, None, {}, truth=False)["deface"]["age_after"].isna().all()


def test_sums_keep_failures_apart_from_volumes():
    def table(failed, volumes, dice):
        rows = pd.DataFrame({"person": ["a", "b", "c"], "session": "1", "failed": failed, "against": "x"})
        for name in ("gm", "wm", "vcsf", "brain"):
            rows[f"{name}_ml"], rows[f"{name}_dice"] = volumes, dice
        return rows

    tables = {
        "original": table([0, 0, 1], [600.0, 500.0, 0.0], [np.nan] * 3),
        "deface": table([0, 1, 0], [590.0, 0.0, 400.0], [0.9, 0.0, np.nan]),
    }
    sums = tabulate_volumes(tables).set_index(["method", "tissue"]).loc[("deface", "gm")]
    assert (sums["people"], sums["scans"], sums["failed"], sums["compared"]) == (3, 3, 1, 2)
    assert sums["mean_ml"] == 495
    assert sums["change_ml"] == -10  # of the one person in whose heads a brain was found twice
    assert sums["dice_median"] == 0.45
