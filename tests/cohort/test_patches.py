import time
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from volumes import scan_of_tubes, tubes

from privessel.cohort.patches import (
    bounding_box,
    cut,
    load,
    rescale,
    save,
    stitch,
    tile,
    tile_starts,
)
from privessel.cohort.sampling import sample_centres, sample_patient
from privessel.cohort.table import Patient
from privessel.errors import CohortError, DamagedError

SIZE = 16
PATIENT = Patient("017", "pegasus", "train", Path("i.nii"), Path("v.nii"), Path("b.nii"))


@pytest.fixture(scope="module")
def scan():
    return scan_of_tubes()


@pytest.fixture
def patches(scan):
    return sample_patient(PATIENT, scan, n=60, size=SIZE, seed=5, max_overlap=None)


def keys(centres):
    return {tuple(centre) for centre in centres.tolist()}


# Sampling


@pytest.mark.parametrize("n", [2, 100, 101])
def test_half_of_the_centres_lie_on_vessels_all_in_the_brain_and_none_comes_twice(n):
    _, vessels, brain = tubes()
    centres = sample_centres(vessels, brain, n=n, rng=np.random.default_rng(0))
    assert centres.shape == (n, 3)
    assert len(keys(centres)) == n
    assert brain[tuple(centres.T)].all()
    assert vessels[tuple(centres[: (n + 1) // 2].T)].all()


def test_taking_every_vessel_and_every_brain_voxel_still_gives_distinct_centres():
    brain = np.zeros((6, 6, 2), dtype=bool)
    brain[1:5, 1:5] = True
    vessels = np.zeros_like(brain)
    vessels[1:5, 1:5, 0] = True
    centres = sample_centres(vessels, brain, n=32, rng=np.random.default_rng(3))
    assert keys(centres) == keys(np.argwhere(brain))
    assert keys(centres[:16]) == keys(np.argwhere(vessels))


def test_every_brain_voxel_is_drawn_equally_often():
    brain = np.zeros((5, 5, 1), dtype=bool)
    brain[1:4, 1:4] = True
    vessels = np.zeros_like(brain)
    vessels[2, 1:4] = True
    rng = np.random.default_rng(0)
    first, second = np.zeros(brain.shape), np.zeros(brain.shape)
    for _ in range(3000):
        centres = sample_centres(vessels, brain, n=2, rng=rng)
        first[tuple(centres[0])] += 1
        second[tuple(centres[1])] += 1
    assert first[vessels] == pytest.approx(np.full(3, 1000), abs=5 * np.sqrt(1000))
    assert first[~vessels].sum() == 0
    # A vessel voxel can be the second centre unless it was the first: (1 - 1/3) / 8; the others 1 / 8.
    assert second[vessels] == pytest.approx(np.full(3, 250), abs=5 * np.sqrt(250))
    assert second[brain & ~vessels] == pytest.approx(np.full(6, 375), abs=5 * np.sqrt(375))


def test_vessels_outside_the_brain_are_no_centres():
    _, vessels, brain = tubes()
    brain[:20] = False
    centres = sample_centres(vessels, brain, n=40, rng=np.random.default_rng(0))
    assert centres[:, 0].min() >= 20


@pytest.mark.parametrize(
    ("n", "brain_slices", "text"),
    [
        (8, 16, "4 vessel-centred patches are asked for, but the brain has 3 vessel voxels"),
        (6, 5, "3 patches anywhere in the brain are asked for, but 2 brain voxels are left"),
    ],
)
def test_too_few_distinct_centres_are_refused_with_the_numbers(scan, n, brain_slices, text):
    vessels, brain = np.zeros_like(scan.vessels), np.zeros_like(scan.brain)
    vessels[20, 20, :3] = brain[20, 20, :brain_slices] = True
    with pytest.raises(CohortError) as caught:
        sample_patient(
            PATIENT, replace(scan, vessels=vessels, brain=brain), n=n, size=SIZE, seed=0, max_overlap=None
        )
    for part in ("patient 017 (cohort pegasus)", "v.nii", text, "Remedy"):
        assert part in str(caught.value)


def test_the_same_seed_gives_the_same_patches_and_another_seed_others(scan, patches):
    again = sample_patient(PATIENT, scan, n=60, size=SIZE, seed=5, max_overlap=None)
    other = sample_patient(PATIENT, scan, n=60, size=SIZE, seed=6, max_overlap=None)
    np.testing.assert_array_equal(again.centre, patches.centre)
    np.testing.assert_array_equal(again.image, patches.image)
    assert len(keys(other.centre) & keys(patches.centre)) < 30


def test_a_patient_at_full_size_takes_seconds():
    rng = np.random.default_rng(0)
    scan = scan_of_tubes((16, 16, 8))
    image = rng.random((312, 384, 127), dtype=np.float32)
    brain = np.zeros(image.shape, dtype=bool)
    brain[60:260, 70:320, 10:115] = True
    scan = replace(scan, image=image, brain=brain, vessels=brain & (image > 0.99))
    start = time.process_time()
    patches = sample_patient(PATIENT, scan, n=1000, size=96, seed=0, max_overlap=None)
    assert time.process_time() - start < 5
    assert patches.image.shape == (1000, 96, 96)


# Cutting


@pytest.mark.parametrize("size", [4, 5, 16])
def test_a_patch_is_the_volume_around_its_centre_and_zero_beyond_the_border(size):
    rng = np.random.default_rng(1)
    volume = rng.integers(1, 100, (9, 7, 3)).astype(np.float32)
    centres = np.argwhere(volume)
    patches = cut(volume, centres, size)
    assert patches.dtype == volume.dtype
    padded = np.pad(volume, ((size, size), (size, size), (0, 0)))
    for patch, (x, y, z) in zip(patches, centres, strict=True):
        left, low = x + size - size // 2, y + size - size // 2
        np.testing.assert_array_equal(patch, padded[left : left + size, low : low + size, z])


def test_labels_are_cut_like_images(scan, patches):
    assert patches.label.dtype == bool
    assert patches.image.dtype == np.float32
    np.testing.assert_array_equal(patches.label, cut(scan.vessels.astype(int), patches.centre, SIZE) == 1)
    middle = patches.label[:, SIZE // 2, SIZE // 2]
    assert middle[:30].all()
    assert not middle[30:].all()


def test_cutting_leaves_the_volume_as_it_was(scan):
    before = scan.image.copy()
    cut(scan.image, np.array([[0, 0, 0], [39, 43, 15]]), SIZE)
    np.testing.assert_array_equal(scan.image, before)


# Storage


def test_patches_come_back_as_saved(tmp_path, patches):
    save(tmp_path / "017.npz", patches)
    loaded = load([tmp_path / "017.npz"])
    for name in ("image", "label", "centre", "patient_index"):
        saved, back = getattr(patches, name), getattr(loaded, name)
        assert back.dtype == saved.dtype
        np.testing.assert_array_equal(back, saved)
    assert (loaded.patients, loaded.seeds) == (("017",), (5,))


def test_the_stored_names_are_those_of_the_design(tmp_path, patches):
    save(tmp_path / "017.npz", patches)
    with np.load(tmp_path / "017.npz") as stored:
        assert set(stored.files) == {"image", "label", "centre", "patient", "seed", "version"}


def test_equal_patches_give_equal_bytes_at_any_time(tmp_path, patches, monkeypatch):
    save(tmp_path / "a.npz", patches)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 1e6)
    save(tmp_path / "b.npz", patches)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_several_patients_are_loaded_in_the_order_asked_for(tmp_path, scan, patches):
    other = sample_patient(replace(PATIENT, id="003"), scan, n=20, size=SIZE, seed=1, max_overlap=None)
    save(tmp_path / "017.npz", patches)
    save(tmp_path / "003.npz", other)
    loaded = load([tmp_path / "017.npz", tmp_path / "003.npz"])
    assert loaded.patients == ("017", "003")
    np.testing.assert_array_equal(loaded.patient_index, [0] * 60 + [1] * 20)
    np.testing.assert_array_equal(loaded.image[loaded.patient_index == 1], other.image)


def test_an_interrupted_save_leaves_no_file(tmp_path, patches, monkeypatch):
    def fail(path, **_):
        Path(path).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", fail)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path / "017.npz", patches)
    assert list(tmp_path.iterdir()) == []


def refusal(*paths):
    with pytest.raises(DamagedError) as caught:
        load(paths)
    return str(caught.value)


def test_a_truncated_file_and_one_that_is_no_archive_are_refused(tmp_path, patches):
    path = tmp_path / "017.npz"
    save(path, patches)
    whole = path.read_bytes()
    truncated = [whole[:end] for end in (0, 10, 1000, len(whole) // 2, len(whole) - 1)]
    for content in [*truncated, b"not a zip file", np.arange(3).tobytes()]:
        path.write_bytes(content)
        message = refusal(path)
        assert str(path) in message
        assert "Remedy: " in message


def test_a_changed_byte_is_refused_or_changes_nothing(tmp_path, patches):
    path = tmp_path / "017.npz"
    save(path, patches)
    whole = path.read_bytes()
    refused = 0
    places = [*range(0, len(whole), len(whole) // 100), *range(len(whole) - 450, len(whole))]
    for number, place in enumerate(places):
        change = (0x5B, 0x01)[number % 2] if place < len(whole) - 450 else 0x01
        path.write_bytes(whole[:place] + bytes([whole[place] ^ change]) + whole[place + 1 :])
        try:
            loaded = load([path])
        except DamagedError:
            refused += 1
        else:
            np.testing.assert_array_equal(loaded.image, patches.image)
            np.testing.assert_array_equal(loaded.label, patches.label)
            assert (loaded.patients, loaded.seeds) == (("017",), (5,))
    assert refused > 200


def test_a_missing_file_one_of_another_version_and_one_without_labels_are_refused(tmp_path, patches):
    with pytest.raises(FileNotFoundError, match=r"absent\.npz"):
        load([tmp_path / "absent.npz"])
    path = tmp_path / "017.npz"
    save(path, patches)
    with np.load(path) as stored:
        content = dict(stored)
    np.savez(path, **{**content, "version": 0})
    assert "version 0" in refusal(path)
    np.savez(path, **{name: value for name, value in content.items() if name != "label"})
    assert "label" in refusal(path)
    np.savez(path, **{**content, "patient": np.array([{}], dtype=object)})
    assert str(path) in refusal(path)  # a pickled object could run code


def test_patches_of_two_sizes_are_refused(tmp_path, scan, patches):
    save(tmp_path / "a.npz", patches)
    save(tmp_path / "b.npz", sample_patient(PATIENT, scan, n=20, size=8, seed=1, max_overlap=None))
    message = refusal(tmp_path / "a.npz", tmp_path / "b.npz")
    assert "(16, 16)" in message
    assert "b.npz" in message


# Scaling


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (0, 255)])
@pytest.mark.parametrize("dtype", [np.float32, np.uint16, np.uint8])
def test_each_patch_fills_the_range_and_keeps_its_order(low, high, dtype):
    images = np.random.default_rng(0).integers(3, 250, (5, 8, 8)).astype(dtype)
    scaled = rescale(images, low, high)
    assert scaled.dtype == np.float32
    np.testing.assert_array_equal(scaled.min(axis=(1, 2)), low)
    np.testing.assert_array_equal(scaled.max(axis=(1, 2)), high)
    for image, values in zip(images, scaled, strict=True):
        line = np.polynomial.Polynomial.fit(image.ravel().astype(float), values.ravel(), 1)
        np.testing.assert_allclose(line(image.astype(float)), values, atol=1e-4 * (high - low))


def test_scaling_ignores_gain_and_offset_and_leaves_its_input():
    images = np.random.default_rng(0).random((3, 8, 8), dtype=np.float32)
    before = images.copy()
    np.testing.assert_allclose(rescale(images, -1, 1), rescale(7 * images + 40, -1, 1), atol=1e-4)
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("value", [0, 5.5, -3])
def test_a_constant_patch_becomes_low(value):
    np.testing.assert_array_equal(rescale(np.full((2, 4, 4), value), -1, 1), np.full((2, 4, 4), -1))


# Tiling


@pytest.mark.parametrize("size", [4, 7])
@pytest.mark.parametrize("limit", [7, 20])
def test_tiles_cover_any_box_and_stay_in_the_volume(size, limit):
    for stride in range(1, size + 1):
        for low in range(limit):
            for high in range(low + 1, limit + 1):
                starts = tile_starts(low, high, limit=limit, size=size, stride=stride)
                covered = {voxel for start in starts.tolist() for voxel in range(start, start + size)}
                assert set(range(low, high)) <= covered <= set(range(limit))
                assert (np.diff(starts) > 0).all()
                assert len(starts) <= max(1, -(-(high - low - size) // stride) + 1)


@pytest.mark.parametrize(("size", "stride"), [(8, 9), (8, 0), (21, 4)])
def test_tiles_that_would_leave_gaps_or_do_not_fit_are_refused(size, stride):
    with pytest.raises(ValueError, match="tiles need"):
        tile_starts(0, 10, limit=20, size=size, stride=stride)


@pytest.mark.parametrize("size", [7, 8])
def test_a_volume_cut_into_tiles_and_stitched_is_the_volume_again(size):
    rng = np.random.default_rng(0)
    volume = rng.random((19, 23, 4), dtype=np.float32)
    box = np.s_[2:18, 5:9, 1:4]
    total, count = np.zeros(volume.shape, np.float32), np.zeros(volume.shape, np.uint16)
    centres = tile(box, volume.shape, size=size, stride=3)
    for batch in np.array_split(centres, 4):
        stitch(total, count, cut(volume, batch, size), batch)
    assert count[box].min() > 0
    assert count[:, :, 0].max() == 0
    np.testing.assert_allclose((total / np.maximum(count, 1))[count > 0], volume[count > 0], rtol=1e-6)


def test_overlapping_tiles_are_averaged():
    total, count = np.zeros((4, 4, 1), np.float32), np.zeros((4, 4, 1), np.uint8)
    tiles = np.stack([np.full((2, 2), 1.0), np.full((2, 2), 3.0)])
    stitch(total, count, tiles, np.array([[1, 1, 0], [2, 1, 0]]))
    np.testing.assert_array_equal((total / np.maximum(count, 1))[:, 0, 0], [1, 2, 3, 0])


def test_a_bounding_box_just_holds_the_mask():
    mask = np.zeros((9, 8, 7), dtype=bool)
    mask[2, 3, 6] = mask[5, 1, 4] = True
    assert bounding_box(mask) == np.s_[2:6, 1:4, 4:7]
    assert bounding_box(mask) == ndimage.find_objects(mask.astype(int))[0]
    assert bounding_box(mask[:, :, 6]) == np.s_[2:3, 3:4]
    with pytest.raises(ValueError, match="empty"):
        bounding_box(mask & False)


# Memory: 41,000 patches of 96 x 96 pixels are 1.9 GB


@pytest.mark.parametrize("scale", [None, (-1, 1)])
def test_beside_the_set_only_one_patients_patches_are_in_memory(tmp_path, patches, scale):
    large = replace(
        patches,
        image=np.random.default_rng(0).random((60, 64, 64), np.float32),
        label=np.zeros((60, 64, 64), bool),
    )
    paths = [tmp_path / f"{number}.npz" for number in range(12)]
    for path in paths:
        save(path, large)
    tracemalloc.start()
    loaded = load(paths, scale=scale)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    one = large.image.nbytes + large.label.nbytes
    assert loaded.image.nbytes + loaded.label.nbytes == 12 * one
    assert peak < 12 * one + 3 * one  # a patient's, as read, unpacked and scaled


def test_patches_come_scaled_as_if_they_had_been_scaled_afterwards(tmp_path, patches):
    save(tmp_path / "017.npz", patches)
    path = tmp_path / "017.npz"
    assert np.array_equal(load([path], scale=(-1, 1)).image, rescale(load([path]).image, -1, 1))
