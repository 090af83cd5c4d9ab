"""Resampling and bias correction, on arrays and on patients' files."""

import json
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import SimpleITK
from scipy import ndimage
from volumes import check_patient, scan_of_tubes, tubes, write_patient

from privessel.cohort.itk import one_thread, to_array, to_image
from privessel.cohort.preparation import Grid, correct_bias, resample_image, resample_mask
from privessel.cohort.scan import load_native_scan, load_scan, prepare, restore_grid
from privessel.errors import CohortError

NATIVE = (0.5, 0.5, 0.7)
TARGETS = [(0.4, 0.4, 0.4), (0.6, 0.5, 0.35), (0.7, 0.7, 0.7)]


def dice(one, other):
    return 2 * (one & other).sum() / (one.sum() + other.sum())


def places(grid):
    """Positions (x, y, z, 3) of a grid's voxels in mm from its centre."""
    axes = [(np.arange(n) - (n - 1) / 2) * side for n, side in zip(grid.shape, grid.spacing, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)


def oblique(flips=(1, 1, 1)):
    turn = nib.eulerangles.euler2mat(0.2, -0.15, 0.1)
    return nib.affines.from_matvec(turn @ np.diag(np.array(NATIVE) * flips), [40, -30, 12])


def bumpy_tissue(seed=0):
    """A brain of even tissue with noise and vessels, and a smooth field that brightens one side of it."""
    image, vessels, brain = tubes((64, 60, 32), seed=seed)
    x, y, _ = np.meshgrid(*[np.linspace(-1, 1, n) for n in image.shape], indexing="ij")
    return image, vessels, brain, np.exp(0.5 * x - 0.3 * y**2).astype(np.float32)


# Grids


def test_a_grid_of_another_spacing_covers_the_scan_by_less_than_a_voxel_more():
    grid = Grid((40, 44, 16), NATIVE)
    for spacing in TARGETS:
        other = grid.with_spacing(spacing)
        extra = np.array(other.shape) * other.spacing - np.array(grid.shape) * grid.spacing
        assert (extra > -0.02 * np.array(spacing)).all()
        assert (extra < spacing).all()
    assert grid.with_spacing((0.5, 0.5, 0.69999999)).shape == grid.shape
    assert grid.with_spacing((100, 100, 100)).shape == (1, 1, 1)


def test_arrays_go_to_simpleitk_and_back_with_their_axes():
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    image = to_image(array, NATIVE)
    assert image.GetSize() == array.shape
    assert image.GetSpacing() == NATIVE
    assert image.GetPixel(1, 2, 3) == array[1, 2, 3]
    np.testing.assert_array_equal(to_array(image), array)
    assert to_array(image).flags["C_CONTIGUOUS"]
    assert to_array(to_image(array > 5, NATIVE)).dtype == np.uint8


# Resampling


@pytest.mark.parametrize("spacing", TARGETS)
@pytest.mark.parametrize("seed", range(3))
def test_a_mask_of_tubes_survives_the_way_there_and_back(spacing, seed):
    _, vessels, brain = tubes(seed=seed)
    native = Grid(vessels.shape, NATIVE)
    target = native.with_spacing(spacing)
    for mask in (vessels, brain):
        there = resample_mask(mask, source=native, target=target)
        assert there.shape == target.shape
        assert there.dtype == bool
        back = resample_mask(there, source=target, target=native)
        assert dice(back, mask) > 0.9
        volumes = [m.sum() * np.prod(g.spacing) for m, g in ((mask, native), (there, target))]
        assert volumes[0] == pytest.approx(volumes[1], rel=0.15)


@pytest.mark.parametrize("spacing", TARGETS)
def test_a_smooth_image_has_the_same_values_at_the_same_places(spacing):
    native = Grid((40, 44, 16), NATIVE)
    target = native.with_spacing(spacing)

    def wave(grid):
        x, y, z = np.moveaxis(places(grid), -1, 0)
        return (100 + 20 * np.sin(x / 2) + 15 * np.cos(y / 3) + 4 * z).astype(np.float32)

    resampled = resample_image(wave(native), source=native, target=target)
    assert resampled.dtype == np.float32
    inner = (slice(3, -3),) * 3
    np.testing.assert_allclose(resampled[inner], wave(target)[inner], atol=0.5)


def test_a_ball_stays_where_it_is_and_keeps_its_size():
    native = Grid((41, 30, 22), NATIVE)
    centre = np.array([4.0, -2.0, 1.5])
    ball = (np.linalg.norm(places(native) - centre, axis=-1) < 4).astype(bool)
    for spacing in TARGETS:
        target = native.with_spacing(spacing)
        there = resample_mask(ball, source=native, target=target)
        assert places(target)[there].mean(axis=0) == pytest.approx(centre, abs=0.1)
        assert there.sum() * np.prod(spacing) == pytest.approx(4 / 3 * np.pi * 4**3, rel=0.05)


def test_an_image_keeps_its_range_where_it_falls_off_at_the_edge_of_the_brain():
    image, _, brain = tubes()
    native = Grid(image.shape, NATIVE)
    resampled = resample_image(image, source=native, target=native.with_spacing((0.3, 0.3, 0.3)))
    assert resampled.min() >= image.min()
    assert resampled.max() <= image.max()


# Bias field


def test_n4_evens_out_a_multiplicative_field():
    image, vessels, brain, field = bumpy_tissue()
    tissue = brain & ~vessels
    corrected = correct_bias(image * field, brain, spacing=NATIVE)
    assert corrected.dtype == np.float32

    def variation(values):
        smooth = ndimage.gaussian_filter(values * tissue, 2) / ndimage.gaussian_filter(tissue * 1.0, 2).clip(
            1e-3
        )
        return smooth[tissue].std() / smooth[tissue].mean()

    spoiled, repaired, ideal = (variation(values) for values in (image * field, corrected, image))
    assert spoiled > 0.2
    assert repaired < 0.35 * spoiled
    assert ideal < 0.03
    # The field found is the one applied, but for a factor.
    ratio = (image * field / np.where(corrected == 0, 1, corrected) / field)[tissue]
    assert ratio.std() / ratio.mean() < 0.08


def test_n4_leaves_the_outside_at_zero_and_vessels_brighter_than_tissue():
    image, vessels, brain, field = bumpy_tissue(seed=1)
    corrected = correct_bias(image * field, brain, spacing=NATIVE)
    assert not corrected[~brain].any()
    assert corrected[vessels].mean() > 1.8 * corrected[brain & ~vessels].mean()


def test_n4_gives_the_same_bytes_whatever_the_number_of_threads():
    image, _, brain, field = bumpy_tissue()
    before = SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads()
    answers = set()
    try:
        for threads in (1, 3):
            SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(threads)
            answers.add(correct_bias(image * field, brain, spacing=NATIVE).tobytes())
            assert SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads() == threads
    finally:
        SimpleITK.ProcessObject.SetGlobalDefaultNumberOfThreads(before)
    assert len(answers) == 1


def test_one_thread_is_given_back_also_after_an_error():
    before = SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads()
    with one_thread():
        assert SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads() == 1
    with pytest.raises(ZeroDivisionError), one_thread():
        _ = 1 / 0
    assert SimpleITK.ProcessObject.GetGlobalDefaultNumberOfThreads() == before


# Patients


def test_a_patient_of_a_cohort_that_asks_for_nothing_is_read_as_stored(tmp_path):
    patient = write_patient(tmp_path)
    native = load_native_scan(patient, patch_size=32)
    assert prepare(patient, native) is native
    assert restore_grid(native.vessels, native, native) is native.vessels
    assert "prepared" not in check_patient(patient)


@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, -1, 1)])
def test_an_oblique_scan_stored_in_any_orientation_is_resampled_along_its_axes(tmp_path, flips):
    """The canonical scan is the same however it is stored, so its resampled form is too."""
    straight = write_patient(tmp_path / "straight")
    tilted = write_patient(tmp_path / "tilted", affine=oblique(flips))
    for role in ("image", "vessels", "brain"):
        path = getattr(tilted, role)
        stored = np.asanyarray(nib.load(path).dataobj)[:: flips[0], :: flips[1], :: flips[2]]
        nib.save(nib.Nifti1Image(stored, oblique(flips)), path)
    asked = {"resample_mm": (0.6, 0.5, 0.35)}
    one, other = (load_scan(replace(patient, **asked), patch_size=32) for patient in (straight, tilted))
    assert one.spacing == other.spacing == (0.6, 0.5, 0.35)
    np.testing.assert_allclose(other.image, one.image, atol=0.2)
    assert dice(one.vessels, other.vessels) > 0.999
    assert not one.image[~one.brain].any()


def test_a_prediction_on_resampled_voxels_returns_to_the_stored_ones(tmp_path):
    patient = replace(write_patient(tmp_path, affine=oblique()), resample_mm=(0.4, 0.4, 0.4))
    native = load_native_scan(patient, patch_size=32)
    scan = prepare(patient, native)
    back = restore_grid(scan.vessels, scan, native)
    assert back.shape == native.vessels.shape
    assert dice(back, native.vessels) > 0.9
    assert not (back & ~native.brain).any()
    assert not restore_grid(scan.vessels & False, scan, native).any()


def test_the_description_has_the_stored_spacing_and_the_prepared_one(tmp_path):
    patient = replace(write_patient(tmp_path), resample_mm=[0.4, 0.4, 0.4], bias_correction="n4")
    record = json.loads(json.dumps(check_patient(patient)))
    assert record["spacing_mm"] == pytest.approx([0.5, 0.5, 0.7])
    assert record["shape"] == [40, 44, 16]
    assert record["prepared"] == {
        "bias_correction": "n4",
        "shape": [50, 55, 28],
        "spacing_mm": [0.4, 0.4, 0.4],
    }
    plain = replace(patient, resample_mm=None, bias_correction="none")
    assert record["voxels"] == check_patient(plain)["voxels"]


def test_bias_correction_alone_keeps_voxels_and_masks(tmp_path):
    patient = replace(write_patient(tmp_path), bias_correction="n4")
    native, scan = load_native_scan(patient, patch_size=32), load_scan(patient, patch_size=32)
    assert scan.grid == native.grid
    np.testing.assert_array_equal(scan.vessels, native.vessels)
    assert not np.array_equal(scan.image, native.image)
    assert not scan.image[~scan.brain].any()


def test_the_patch_must_fit_the_resampled_slice(tmp_path):
    patient = write_patient(tmp_path)
    load_scan(replace(patient, resample_mm=(0.25, 0.25, 0.7)), patch_size=80)
    with pytest.raises(CohortError, match="resampled, has 20 x 22 voxels .* patch of 32 x 32"):
        load_scan(replace(patient, resample_mm=(1, 1, 1)), patch_size=32)


def test_vessels_that_vanish_and_an_unknown_correction_are_refused_with_a_remedy(tmp_path):
    patient = write_patient(tmp_path)
    thin = replace(scan_of_tubes(), vessels=np.zeros((40, 44, 16), dtype=bool))
    thin.vessels[20, 22, 8] = True
    with pytest.raises(CohortError, match="patient 017 .* 2 x 2 x 2 mm. Remedy: choose a smaller"):
        prepare(replace(patient, resample_mm=(2, 2, 2)), thin)
    with pytest.raises(CohortError, match="patient 017 .*bias_correction is 'n3'. Remedy: write n4 or none"):
        prepare(replace(patient, bias_correction="n3"), thin)
