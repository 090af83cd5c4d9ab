"""Error maps as arrays: classes, slices, colours and projections."""

import numpy as np
from figures.volumes import phantom

from privessel.figures.maps import COLOURS, big_and_small_slice, classify, fullest_slice, overlay, project


def test_error_classes_count_like_a_confusion_matrix():
    _, truth, prediction = phantom()
    counts = np.bincount(classify(truth, prediction).ravel(), minlength=4)
    expected = [~truth & ~prediction, truth & prediction, ~truth & prediction, truth & ~prediction]
    assert counts.tolist() == [mask.sum() for mask in expected]


def test_big_and_small_slices_lie_in_the_thick_and_the_thin_tube():
    _, truth, _ = phantom()
    big, small = big_and_small_slice(truth, spacing=(0.5, 0.5, 0.7))
    assert 2 <= big < 8
    assert 8 <= small < 18


def test_a_few_stray_voxels_are_not_the_small_vessels():
    _, truth, _ = phantom()
    truth[20, 20, 19] = True
    assert big_and_small_slice(truth, spacing=(1, 1, 1))[1] < 18


def test_fullest_slice_has_the_most_vessel_voxels():
    truth = np.zeros((5, 5, 4), bool)
    truth[:2, :2, 1] = truth[:3, :3, 2] = True
    assert fullest_slice(truth) == 2


def test_overlay_paints_red_green_and_yellow_on_grey():
    image = np.full((3, 2), 100.0)
    image[0, 0] = 50
    codes = np.array([[0, 1], [2, 3], [0, 0]], np.uint8)
    picture = overlay(image, codes)
    assert picture.shape == (2, 3, 3)
    # Screen rows run from anterior to posterior, columns from the patient's right to the left.
    assert picture[0, 2].tolist() == COLOURS[1].tolist()
    assert picture[1, 1].tolist() == COLOURS[2].tolist()
    assert picture[0, 1].tolist() == COLOURS[3].tolist()
    assert len(set(picture[1, 0].tolist())) == 1


def test_projection_shows_the_nearest_voxel_and_darkens_with_depth():
    codes = np.zeros((4, 5, 6), np.uint8)
    codes[0, 0, 0] = 1  # left, posterior, inferior
    codes[0, 4, 0] = 3  # left, anterior, inferior
    codes[3, 0, 5] = 2  # right, posterior, superior
    below, front, left = (project(codes, axis=axis) for axis in (2, 1, 0))
    assert (below.shape, front.shape, left.shape) == ((5, 4, 3), (6, 4, 3), (6, 5, 3))
    assert below[-1, -1].tolist() == COLOURS[1].tolist()  # left is on the right of the screen
    assert front[-1, -1].tolist() == COLOURS[3].tolist()  # the anterior voxel hides the posterior one
    assert left[-1, 0].tolist() == COLOURS[3].tolist()  # anterior on the left of the screen
    assert 0 < below[-1, 0, 1] < COLOURS[2, 1]  # far from below
    assert np.count_nonzero(below.any(axis=2)) == 3
