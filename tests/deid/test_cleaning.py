"""Bias field and noise are taken out as functions of the brain alone, and put back without a seam."""

import nibabel as nib
import numpy as np
import pytest
from deid.native import oblique, oblique_affine, write
from deid.people import person
from scipy.ndimage import distance_transform_edt, gaussian_filter

from privessel.cohort.geometry import spacing_of
from privessel.deid.cleaning import clean
from privessel.deid.compose import compose
from privessel.deid.frame import Framed, find_place, frame
from privessel.deid.head_cohort import scanner_affine
from privessel.deid.native import read_native
from privessel.deid.preparation import digest_voxels, prepare
from privessel.study.head_scans import HeadScan

SIDE = 40  # voxels of 6.4 mm, for speed
AFFINE = scanner_affine(SIDE)
SPACING = spacing_of(AFFINE)
BOTH = {"bias_field": True, "denoising": 3}


@pytest.fixture(scope="module")
def head():
    scan = person(0).scan(1, SIDE)
    return scan.image.astype(np.float64) * 500, scan.brain


def slope(shape, strength=0.5):
    """A field that changes from front to back, by exp(strength) over the volume."""
    return np.exp(strength * np.linspace(-1, 1, shape[1]))[None, :, None] * np.ones(shape)


def unevenness(image, brain):
    """Slope of the logarithm of white matter's brightness along the volume."""
    white = brain & (image > np.quantile(image[brain], 0.5))
    place = np.argwhere(white)[:, 1] / image.shape[1]
    return np.polyfit(place, np.log(image[white]), 1)[0]


def test_a_field_is_found_in_the_brain_and_taken_out_of_the_head(head):
    image, brain = head
    uneven = image * slope(image.shape)
    cleaned = clean(uneven, brain, SPACING, bias_field=True, denoising=0)
    assert abs(unevenness(uneven, brain)) > 0.5
    assert abs(unevenness(cleaned.values, brain)) < 0.15
    np.testing.assert_allclose(cleaned.values * cleaned.bias, uneven, rtol=1e-5)
    assert np.log(cleaned.bias[brain]).mean() == pytest.approx(0, abs=1e-4)


def test_the_field_has_no_step_at_the_brains_rim(head):
    image, brain = head
    bias = clean(image * slope(image.shape), brain, SPACING, bias_field=True, denoising=0).bias
    rim = brain[:-1] != brain[1:]
    assert np.abs(np.diff(np.log(bias), axis=0))[rim].max() < 0.1
    inside = bias[brain]
    assert inside.min() <= bias.min()
    assert bias.max() <= inside.max()


def test_curvature_flow_takes_noise_out_and_leaves_edges():
    """Of a bright ball in a brain of even grey, blurring of the same strength loses more of the edge."""
    radius = np.sqrt(((np.mgrid[:40, :40, :40] - 19.5) ** 2).sum(0))
    image, brain = np.where(radius < 9, 500.0, 300.0), radius < 18
    noisy = image + np.random.default_rng(0).normal(0, 20, image.shape)
    smoothed = clean(noisy, brain, (1.0, 1.0, 1.0), bias_field=False, denoising=5).values
    even, edge = (radius < 6), np.abs(radius - 9) < 1
    spread = smoothed[even].std()
    assert spread < 0.5 * noisy[even].std()
    blurred = next(
        one
        for one in (gaussian_filter(noisy, s) for s in np.arange(0.1, 2, 0.05))
        if one[even].std() < spread
    )
    assert np.abs(smoothed - image)[edge].mean() < 0.8 * np.abs(blurred - image)[edge].mean()


def test_without_corrections_nothing_changes(head):
    image, brain = head
    cleaned = clean(image, brain, SPACING, bias_field=False, denoising=0)
    assert cleaned.values is image
    assert cleaned.bias.shape == (1, 1, 1)


@pytest.mark.parametrize(
    "corrections", [BOTH, {"bias_field": True, "denoising": 0}, {"bias_field": False, "denoising": 3}]
)
def test_another_face_around_the_same_brain_changes_neither_brain_nor_place_nor_scale(
    tmp_path, head, corrections
):
    image, brain = head
    other = np.where(brain, image, np.random.default_rng(1).permuted(image, axis=1)[::-1] * 1.7)
    placed = []
    for number, values in enumerate((image, other)):
        affine = AFFINE
        cleaned = clean(values, brain, SPACING, **corrections)
        masked = np.where(brain, cleaned.values, 0)
        place = find_place(masked, brain, affine, side=32, field_of_view=256.0)
        place = place.with_bias(cleaned.bias, affine)
        frame(cleaned.values, brain, affine, place).save(tmp_path / f"{number}.npz")
        placed.append(Framed.load(tmp_path / f"{number}.npz"))
    one, two = placed
    assert not np.array_equal(one.image, two.image)
    assert np.array_equal(one.image[one.brain], two.image[two.brain])
    assert np.array_equal(one.brain, two.brain)
    assert one.place.scale == two.place.scale
    assert np.array_equal(one.place.affine, two.place.affine)
    assert np.array_equal(one.place.bias, two.place.bias)


def test_a_head_put_back_has_the_scanners_brightness_and_no_seam(tmp_path):
    """Of a scan with a strong field: what leaves is as bright around the brain as the source is."""
    image, brain = oblique(0)
    affine, shape = oblique_affine()
    uneven = image * slope(shape, 0.7) * 500
    write(tmp_path / "scan.nii.gz", uneven, affine)
    nib.Nifti1Image(brain.astype(np.uint8), affine).to_filename(tmp_path / "brain.nii.gz")
    scan = HeadScan("p1", "1", str(tmp_path / "scan.nii.gz"), str(tmp_path / "brain.nii.gz"))
    cube = {"side": 64, "field_of_view": 256.0}
    errors = {}
    for bias_field in (True, False):
        native = read_native(tmp_path / "scan.nii.gz")
        corrections = {"bias_field": bias_field, "denoising": 0}
        framed = prepare(scan, digest=digest_voxels(native), corrections=corrections, **cube)
        everywhere = np.ones((64, 64, 64), bool)
        output = compose(native, brain, framed.image, everywhere, framed.place)
        assert np.array_equal(output[brain], native.stored[brain])
        around = (distance_transform_edt(~brain, sampling=spacing_of(affine)) < 15) & ~brain
        values = (output * native.slope + native.intercept)[around]
        errors[bias_field] = np.median(np.abs(values - native.values[around])) / np.median(
            native.values[around]
        )
    # Interpolated twice, so neither is exact; a forgotten field would be off by up to 70 %.
    assert errors[True] < 1.2 * errors[False] < 0.3
