"""Cohorts of other voxels are said to be so, with the size that would make them alike."""

import pytest

from privessel.cohort.spacing import compare_spacings, find_differences

USUAL, FINE = (0.5, 0.5, 0.7), (0.3, 0.3, 0.6)


def said(size=96, **spacings):
    return compare_spacings(spacings, trained="a", size=size)


def test_cohorts_alike_need_no_word():
    rounded = (0.5003, 0.4999, 0.7001)
    assert said(a=[USUAL, rounded], b=[(0.52, 0.5, 0.7)]) == []


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("factor", [0.5, 0.85, 1.2, 2])
def test_another_side_along_any_axis_is_said_with_both_sizes_and_the_remedy(axis, factor):
    other = tuple(side * factor if place == axis else side for place, side in enumerate(USUAL))
    (told,) = said(a=[USUAL] * 3, b=[other] * 2)
    assert "cohort b has voxels of " + " x ".join(f"{side:.3g}" for side in other) in told
    assert "0.5 x 0.5 x 0.7 mm" in told
    assert "resample_mm: [0.5, 0.5, 0.7] for cohort b" in told


def test_what_a_patch_shows_is_said_in_mm():
    (told,) = said(size=100, a=[USUAL], b=[FINE])
    assert "100 pixels are 30 mm there and 50 mm here" in told


def test_patients_of_one_cohort_with_other_voxels_are_counted():
    (told,) = said(a=[USUAL, USUAL, FINE])
    assert "1 of 3 patients of cohort a" in told
    assert "resample_mm" in told


def test_patients_of_other_voxels_are_told_from_the_usual_ones_by_the_size_that_is_used():
    usual = [
        {"cohort": "a", "shape": [9, 9, 9], "spacing_mm": list(USUAL)},
        {"cohort": "a", "problems": ["x"]},
    ]
    other = {"cohort": "b", "shape": [9, 9, 9], "spacing_mm": list(FINE)}
    assert find_differences(usual, trained="a", size=96) == []
    (told,) = find_differences([*usual, other], trained="a", size=96)
    assert "cohort b has voxels of 0.3 x 0.3 x 0.6 mm" in told
    resampled = other | {"prepared": {"spacing_mm": list(USUAL)}}
    assert find_differences([*usual, resampled], trained="a", size=96) == []
    assert find_differences(usual, trained="nobody", size=96) == []
