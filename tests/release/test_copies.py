"""The owner's search for copies of real patches: each kind of copy is found, and what is none is not."""

import csv

import numpy as np
import pytest

from privessel.cohort.patches import Patches
from privessel.release.copies import find_copies, write_copies

SIDE = 96


def textures(n, *, seed):
    """Smooth random images (n, s + 8, s + 8), so that an image can be cut from several places."""
    rough = np.random.default_rng(seed).normal(size=(n, SIDE + 12, SIDE + 12)).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(rough, (5, 5), axis=(1, 2))
    return 100 + 40 * windows.mean((-1, -2))


def patches_of(patient, images, labels=None):
    labels = np.zeros(images.shape, bool) if labels is None else labels
    zeros = np.zeros(len(images), int)
    return Patches(images, labels, np.zeros((len(images), 3), int), zeros, (patient,), (0,))


WIDE = textures(4, seed=1)
REAL = WIDE[:, 4:-4, 4:-4]
OTHERS = textures(12, seed=2)[:, 4:-4, 4:-4]


def cut(down, right):
    return WIDE[2, 4 + down : 4 + down + SIDE, 4 + right : 4 + right + SIDE]


def replaced(rows, columns):
    image = REAL[2].copy()
    image[rows, columns] = OTHERS[0][rows, columns]
    return image


def search(image, real=REAL):
    """Return what is found for one image behind unlike ones, as bytes of 0..255."""
    images = np.concatenate([OTHERS, image[None]])
    low, high = (part(images, axis=(1, 2), keepdims=True) for part in (np.min, np.max))
    images = np.rint(255 * (images - low) / (high - low)).astype(np.uint8)
    load = [lambda: patches_of("001", OTHERS[1:4] + OTHERS[4:7]), lambda: patches_of("002", real)]
    return find_copies(images, np.zeros(images.shape, bool), load)


COPIES = {
    "as it is": REAL[2],
    "less contrast": 0.2 * REAL[2] + 7,
    "inverted": -REAL[2],
    "moved by a pixel": cut(0, 1),
    "moved along both axes": cut(-3, 2),
    "moved as far as is looked for": cut(4, -4),
    "mirrored left to right": REAL[2][:, ::-1],
    "mirrored top to bottom": REAL[2][::-1],
    "moved and mirrored": cut(2, 3)[:, ::-1],
    "lower half replaced": replaced(slice(48, None), slice(None)),
    "right half replaced": replaced(slice(None), slice(48, None)),
    "three quarters replaced": np.where(
        np.logical_and.outer(np.arange(SIDE) < 48, np.arange(SIDE) < 48), REAL[2], OTHERS[0]
    ),
    "with noise": REAL[2] + np.random.default_rng(3).normal(0, 1, (SIDE, SIDE)),
}  # fmt: skip


@pytest.mark.parametrize("kind", COPIES)
def test_each_kind_of_copy_is_found(kind):
    found = [one for one in search(COPIES[kind]) if one.copied]
    assert [(one.number, one.patient, one.patch) for one in found] == [(12, "002", 2)]
    assert found[0].mirrored == ("mirrored" in kind)


def test_images_that_are_no_copies_are_none():
    assert not [one for one in search(textures(1, seed=9)[0, 4:-4, 4:-4]) if one.copied]
    flat = np.zeros((1, SIDE, SIDE), np.uint8)
    assert find_copies(flat, flat > 0, [lambda: patches_of("001", REAL)]) == []


def test_of_several_likenesses_the_largest_is_told(tmp_path):
    mixed = np.where(np.arange(SIDE) < 48, REAL[0], 0.5 * REAL[1] + 0.5 * OTHERS[0])
    best = search(mixed)[0]
    assert (best.patch, best.correlation > 0.999) == (0, True)


def test_equal_labels_are_found_also_mirrored():
    labels = np.random.default_rng(0).random((5, SIDE, SIDE)) > 0.7
    small = np.zeros((1, SIDE, SIDE), bool)
    given = np.concatenate([labels[3:4, ::-1], small, ~labels[:1], labels[1:2]])
    real = [lambda: patches_of("001", np.zeros((6, SIDE, SIDE), np.float32), np.concatenate([labels, small]))]
    found = find_copies(np.zeros(given.shape, np.uint8), given, real)
    assert [(one.kind, one.number, one.patch, one.mirrored) for one in found] == [
        ("label", 0, 3, True),
        ("label", 3, 1, False),
    ]


@pytest.mark.parametrize("side", [1, 3, 12, 24, 40])
def test_images_of_any_size_are_searched(side):
    real = np.random.default_rng(side).normal(size=(5, side, side)).astype(np.float32)
    found = find_copies(real[:1], np.zeros((0, side, side), bool), [lambda: patches_of("001", real)])
    assert [(one.number, one.patch, one.copied) for one in found] == ([(0, 0, True)] if side > 1 else [])


def test_patches_of_another_size_are_not_passed_over():
    with pytest.raises(ValueError, match=r"patches of \(96, 96\) pixels, images of \(22, 22\)"):
        find_copies(np.zeros((1, 22, 22)), np.zeros((0, 22, 22), bool), [lambda: patches_of("001", REAL)])


def test_the_report_says_first_that_it_must_stay_inside(tmp_path):
    write_copies(tmp_path / "copies.csv", search(REAL[2]))
    lines = (tmp_path / "copies.csv").read_text().splitlines()
    assert lines[0].startswith("# inside only")
    rows = list(csv.DictReader(lines[1:]))
    assert (rows[0]["number"], rows[0]["patient"], rows[0]["copied"]) == ("12", "002", "True")
