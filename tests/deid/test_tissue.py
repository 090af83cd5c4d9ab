"""Brain tissues found in whole heads, against heads whose tissues are known."""

import numpy as np
import pytest
from deid.people import person, scan

from privessel.deid.head_tissue import FLUID, GREY, VENTRICLES, WHITE
from privessel.deid.removal import fill_hull, keep_brain, remove_face
from privessel.deid.tissue import TISSUES, compare, extract_brain, find_tissues, measure_volumes
from privessel.deid.utility import true_tissues

VOXEL = 4.0
# Outer radius in mm, grey value and label of the shells of a head, from the inside out.
SHELLS = (
    (18, 0.2, VENTRICLES),
    (48, 1.0, WHITE),
    (62, 0.62, GREY),
    (65, 0.2, 0),
    (72, 0.05, 0),
    (80, 0.95, 0),
)


def shells(side=48, *, middle=(0.0, 0.0, 0.0)):
    """A head of concentric balls, and its labels; `middle` in mm from the volume's."""
    axes = [(np.arange(side) - (side - 1) / 2) * VOXEL - place for place in middle]
    radius = np.sqrt(sum(axis**2 for axis in np.meshgrid(*axes, indexing="ij")))
    image, labels = np.zeros(radius.shape, np.float32), np.zeros(radius.shape, np.uint8)
    for outer, grey, label in reversed(SHELLS):
        image[radius < outer], labels[radius < outer] = grey, label
    noise = 0.02 * np.random.default_rng(1).standard_normal(image.shape)
    return np.clip(image + noise, 0, 1).astype(np.float32), labels


def test_volumes_of_a_head_of_balls_are_those_of_balls():
    image, labels = shells()
    found = find_tissues(image, VOXEL)
    ball = {radius: 4 / 3 * np.pi * radius**3 / 1000 for radius in (18, 48, 62)}
    volumes = measure_volumes(found, VOXEL)
    assert volumes["vcsf"] == pytest.approx(ball[18], rel=0.1)
    assert volumes["wm"] == pytest.approx(ball[48] - ball[18], rel=0.05)
    assert volumes["gm"] == pytest.approx(ball[62] - ball[48], rel=0.1)
    assert volumes["brain"] == pytest.approx(volumes["gm"] + volumes["wm"])
    assert min(compare(found, labels).values()) > 0.93


def test_where_the_head_lies_and_how_bright_it_is_does_not_matter():
    image, _ = shells(64)
    found = find_tissues(image, VOXEL)
    moved = find_tissues(np.roll(image, (7, -5, 4), (0, 1, 2)), VOXEL)
    np.testing.assert_array_equal(moved, np.roll(found, (7, -5, 4), (0, 1, 2)))
    np.testing.assert_array_equal(find_tissues(image / 2, VOXEL) > 0, found > 0)
    np.testing.assert_array_equal(find_tissues(image, VOXEL), found)


@pytest.mark.parametrize("number", [0, 3])
def test_on_simulated_heads_most_of_the_truth_is_found(number):
    head = person(number).scan(1, 64)
    image, _ = scan(number, 1, 64)
    overlaps = compare(find_tissues(image, 256 / 64), head.labels)
    assert overlaps["brain"] > 0.9
    assert overlaps["wm"] > 0.85
    assert overlaps["vcsf"] > 0.75


def test_at_the_demo_s_resolution_no_extraction_leaks_into_the_face():
    for number in range(6):
        image, brain = scan(number)
        found = extract_brain(image, 8.0)
        assert 2 * (found & brain).sum() / (found.sum() + brain.sum()) > 0.9


def test_a_removed_face_costs_little_and_the_brain_alone_costs_more():
    image, brain = scan(1)
    before = find_tissues(image, 8.0)
    removed = compare(find_tissues(remove_face(image, brain), 8.0), before)
    alone = compare(find_tissues(keep_brain(image, brain), 8.0), before)
    assert removed["gm"] > 0.95
    assert alone["gm"] < removed["gm"]


def test_a_head_without_a_brain_in_it_is_no_brain():
    image, _ = scan(1)
    _, brain = scan(1)
    even = fill_hull(np.where(brain, 0.5, 0).astype(np.float32), brain, image > 0.15)
    for head in (even, np.zeros_like(image), 0.3 * np.ones_like(image)):
        assert not find_tissues(head, 8.0).any()


def test_dice_in_closed_form():
    cube, moved = np.zeros((2, 8, 8, 8), np.uint8)
    cube[1:5, 1:5, 1:5], moved[2:6, 1:5, 1:5] = GREY, GREY
    overlaps = compare(moved, cube)
    assert overlaps["gm"] == overlaps["brain"] == 0.75
    assert np.isnan(overlaps["wm"])
    assert compare(np.zeros_like(cube), cube)["gm"] == 0
    assert compare(np.where(cube, FLUID, 0), cube)["brain"] == 0
    assert measure_volumes(cube, 10.0) == {"gm": 64, "wm": 0, "vcsf": 0, "brain": 64}
    assert set(TISSUES) == set(overlaps)


def test_the_truth_lies_where_the_frame_puts_the_scan(tmp_path):
    from privessel.deid.frame import Framed, Place
    from privessel.deid.head_cohort import scanner_affine

    image, brain = scan(2)
    labels = person(2).scan(1, 32).labels
    Framed(image, brain, Place(32, scanner_affine(32), 1.0)).save(tmp_path / "same.npz")
    moved = scanner_affine(32)
    moved[0, 3] += 8.0  # the cube begins one voxel further to the right
    Framed(image, brain, Place(32, moved, 1.0)).save(tmp_path / "moved.npz")
    same = true_tissues(person(2), visit=1, side=32, frame=tmp_path / "same.npz")
    np.testing.assert_array_equal(same, labels)
    further = true_tissues(person(2), visit=1, side=32, frame=tmp_path / "moved.npz")
    np.testing.assert_array_equal(further[:-1], labels[1:])
