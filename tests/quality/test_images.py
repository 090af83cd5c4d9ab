import numpy as np
import pytest

from privessel.errors import CohortError
from privessel.quality.images import halve, sample_images

BITS = 2 ** np.arange(6)


@pytest.fixture
def write_set(tmp_path):
    """Write a patient's or a generator's file of images that bear their number in bits."""

    def write(name, count, *, first=0):
        images = np.zeros((count, 3, 3), np.float32)
        images.reshape(count, -1)[:, :6] = np.arange(first, first + count)[:, None] & BITS > 0
        images[:, 2, 2] = 1
        path = tmp_path / f"{name}.npz"
        np.savez_compressed(path, image=images, label=images > 0)
        return path

    return write


def numbers(images):
    return (images.reshape(len(images), -1)[:, :6] == 255) @ BITS


def test_every_patient_gives_as_many_images_give_or_take_one_and_none_twice(write_set):
    paths = [write_set(f"patient{i}", 12, first=12 * i) for i in range(3)]
    chosen = numbers(sample_images(paths, n=20, seed=1))
    assert len(set(chosen)) == 20
    counts = np.histogram(chosen, bins=[0, 12, 24, 36])[0]
    assert sorted(counts) == [6, 7, 7]


def test_all_images_of_a_set_come_when_as_many_are_asked_for(write_set):
    paths = [write_set("one", 6), write_set("other", 6, first=6)]
    np.testing.assert_array_equal(numbers(sample_images(paths, n=12, seed=3)), np.arange(12))


def test_images_are_scaled_one_by_one_to_the_whole_range_and_rounded(tmp_path):
    images = np.array([[[-5.0, 15.0], [0.0, 5.0]], [[100.0, 101.0], [100.5, 100.2]]], np.float32)
    np.savez(tmp_path / "patient.npz", image=images, label=images > 0)
    found = sample_images([tmp_path / "patient.npz"], n=2, seed=0)
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, [[[0, 255], [64, 128]], [[0, 255], [128, 51]]])


def test_synthetic_images_which_have_the_whole_range_come_as_they_are(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (9, 6, 6), dtype=np.uint8)
    images[:, 0, 0], images[:, 0, 1] = 0, 255
    np.savez(tmp_path / "pairs.npz", image=images, label=images > 0)
    np.testing.assert_array_equal(sample_images([tmp_path / "pairs.npz"], n=9, seed=0), images)


def test_constant_images_are_black(tmp_path):
    np.savez(tmp_path / "pairs.npz", image=np.full((3, 5, 5), 7, np.uint8), label=np.zeros((3, 5, 5), bool))
    assert not sample_images([tmp_path / "pairs.npz"], n=3, seed=0).any()


def test_the_seed_decides_which_images_are_chosen(write_set):
    path = write_set("pairs", 60)
    first, again, other = (numbers(sample_images([path], n=20, seed=seed)) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert set(first) != set(other)


def test_too_few_images_are_refused_with_the_most_that_there_can_be(write_set):
    paths = [write_set("rich", 9), write_set("poor", 4)]
    with pytest.raises(
        CohortError, match=r"poor.npz: 4 images, but 5 .* `quality` .* 10 images to at most 8\."
    ):
        sample_images(paths, n=10, seed=0)
    assert len(sample_images(paths, n=8, seed=0)) == 8


def test_halves_of_a_cohort_have_no_patient_in_common_and_leave_none_out():
    patients = [f"{i}.npz" for i in range(7)]
    found = halve(patients, seed=4)
    assert list(found) == ["half", "other_half"]
    assert sorted(found["half"] + found["other_half"]) == patients
    assert abs(len(found["half"]) - len(found["other_half"])) == 1
    assert any(halve(patients, seed=seed) != found for seed in range(4))


def test_one_patient_has_no_halves():
    assert halve(["one.npz"], seed=0) == {}
