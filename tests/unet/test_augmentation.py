import math

import numpy as np
import pytest
import torch

from privessel.unet.augmentation import random_maps, warp


def test_maps_stay_in_the_published_ranges():
    maps = random_maps(4000, rng=np.random.default_rng(0)).astype(float)
    # The first column is the turned, maybe mirrored, unit vector; the determinant is the cosine of the shear.
    mirrored = np.linalg.det(maps) < 0
    angles = np.rad2deg(np.arctan2(maps[:, 1, 0], maps[:, 0, 0]) + np.pi * mirrored)
    angles = (angles + 180) % 360 - 180
    assert np.abs(angles).max() == pytest.approx(30, abs=0.1)
    shears = np.rad2deg(np.arccos(np.abs(np.linalg.det(maps)).clip(max=1)))
    assert shears.max() == pytest.approx(20, abs=0.1)
    assert mirrored.mean() == pytest.approx(0.5, abs=0.03)
    assert angles.mean() == pytest.approx(0, abs=1)  # SD 0.27


def rotation(degrees):
    angle = math.radians(degrees)
    return [[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ([[1, 0], [0, 1]], lambda a: a),
        ([[-1, 0], [0, 1]], lambda a: a[::-1]),
        ([[1, 0], [0, -1]], lambda a: a[:, ::-1]),
        ([[0, 1], [1, 0]], lambda a: a.T),
        (rotation(90), lambda a: np.rot90(a, -1)),
    ],
)
def test_maps_are_in_array_axes(matrix, expected):
    image = np.random.default_rng(0).uniform(0, 255, (6, 6)).astype(np.float32)
    images, labels = torch.tensor(image)[None, None], torch.tensor(image > 99)[None, None].float()
    moved, label = warp(images, labels, torch.tensor([matrix]).float())
    np.testing.assert_allclose(moved[0, 0], expected(image), atol=1e-2)
    np.testing.assert_array_equal(label[0, 0].bool(), expected(image > 99))


def test_image_and_label_move_together():
    x, y = np.mgrid[:40, :40]
    centres = ((20, 20), (10, 25), (28, 14), (2, 20)) * 8
    labels = np.stack([(x - a) ** 2 + (y - b) ** 2 < 36 for a, b in centres])
    images = torch.tensor(labels * 200 + 55.0).float()[:, None]
    maps = torch.from_numpy(random_maps(32, rng=np.random.default_rng(1)))
    moved, label = warp(images, torch.tensor(labels).float()[:, None], maps)
    bright = moved > 155
    assert set(label.unique().tolist()) == {0.0, 1.0}
    assert (bright != label.bool()).sum() < 0.05 * label.sum()  # half a pixel of the rim at most
    assert (label.sum((1, 2, 3)) > 0).all()


def test_what_comes_from_outside_the_patch_is_black_and_unlabelled():
    ones = torch.ones(1, 1, 20, 20)
    image, label = warp(255 * ones, ones, torch.tensor([rotation(45)]))
    corner = image[0, 0, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert torch.equal(corner, torch.zeros(4))
    assert image[0, 0, 10, 10] == 255
    assert ((label[0, 0] == 1) != (image[0, 0] > 127.5)).sum() <= 8  # the rim's corners
    assert torch.equal(label[0, 0, [0, 10], [0, 10]], torch.tensor([0.0, 1.0]))
