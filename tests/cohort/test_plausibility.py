"""Masks compared with their image, and what is assumed of intensities and sizes, at the shipped limits."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage
from volumes import LIMITS, USUAL, check_patient, save_nifti, scan_of_tubes, tubes, write_patient

from privessel.cohort.plausibility import brighter, examine
from privessel.cohort.unusual import add_unusual, find_unusual
from privessel.phantom import simulate

NAMES = {"image": "image", "vessels": "vessel mask", "brain": "brain mask"}
AFFINE = np.diag([0.5, 0.5, 0.7, 1.0])


def checked(root, *, image=None, vessels=None, brain=None, limits=LIMITS, affine=AFFINE):
    """The check report of a patient, some of whose files are replaced."""
    patient = write_patient(root, affine=affine)
    for path, data in zip(patient.files, (image, vessels, brain), strict=True):
        if data is not None:
            save_nifti(path, data, affine)
    (outcome,) = add_unusual([check_patient(patient, limits=limits)], USUAL)
    return outcome


def only(told):
    (one,) = told
    assert one.startswith("patient 017 (cohort pegasus): ")
    return one


def test_a_sound_patient_has_neither_problems_nor_warnings(tmp_path):
    report = checked(tmp_path)
    assert report["problems"] == report["warnings"] == []


@pytest.mark.parametrize("parameters", ["a", "b", "one", "random"])
def test_phantoms_stay_far_from_every_limit(parameters):
    phantom = simulate(seed=5, shape=(80, 96, 24), spacing=(1.0, 1.0, 1.4), parameters=parameters)
    brain = phantom.brain > 0
    scan = replace(
        scan_of_tubes(),
        image=phantom.image.astype(np.float32) * brain,
        vessels=phantom.vessels > 0,
        brain=brain,
        spacing=(1.0, 1.0, 1.4),
    )
    found = examine(scan, LIMITS, NAMES, unit="mm")
    strict = replace(USUAL, least_contrast=0.9, most_saturated=0.01, mirror_gain=0.0)
    outcome = {"patient": "1", "cohort": "a", "names": NAMES, "measured": found.measured}
    assert found.problems == find_unusual(outcome, strict) == []


def test_the_chance_to_be_brighter_is_that_of_all_pairs():
    rng = np.random.default_rng(0)
    one, other = rng.integers(0, 9, 50), rng.integers(0, 9, 70)
    pairs = (one[:, None] > other).mean() + (one[:, None] == other).mean() / 2
    assert brighter(one, other) == pytest.approx(pairs)


# Masks


def impossible_masks():
    _, vessels, brain = tubes()
    everywhere = np.ones_like(brain)
    return {
        "copy of the brain": (brain, brain, "is the same as brain mask"),
        "inverted": (~vessels, brain, "inverted (0 in vessels, 1 elsewhere)"),
        "inverted inside the brain": (
            brain & ~vessels,
            brain,
            f"takes {1 - vessels.sum() / brain.sum():.1%} of the brain, more than 10.0%",
        ),
        "swapped": (brain, vessels, "are swapped"),
        "all ones": (everywhere, brain, "is 1 in every voxel"),
        "a brain of all ones": (vessels, everywhere, 'leave it out (`brain: ""` in the config)'),
        "all ones twice": (everywhere, everywhere, "is 1 in every voxel"),
        "dilated": (ndimage.binary_dilation(vessels, iterations=2) & brain, brain, "more than 10.0%"),
        "empty": (vessels & False, brain, "is empty"),
        "apart": (vessels, brain & ~vessels, "has no voxel inside brain mask"),
        "labels": (vessels.astype(np.uint8) * 3, brain, "has values {0, 3}; expected {0, 1}"),
    }


@pytest.mark.parametrize("name", impossible_masks())
def test_impossible_masks_are_refused(tmp_path, name):
    vessels, brain, expected = impossible_masks()[name]
    told = only(checked(tmp_path, vessels=vessels, brain=brain)["problems"])
    assert expected in told
    assert "Remedy: " in told


def test_vessels_mostly_outside_the_brain_are_refused_with_their_share(tmp_path):
    _, vessels, brain = tubes()
    half = brain.copy()
    half[10:] = False
    inside = (vessels & half).sum() / vessels.sum()
    assert 0 < inside < 0.5
    report = checked(tmp_path, brain=half, limits=replace(LIMITS, most_vessels=1.0))
    assert f"lies outside the brain mask by {1 - inside:.0%}, more than 50%" in only(report["problems"])


def test_without_a_brain_mask_the_same_holds_of_the_image(tmp_path):
    patient = replace(write_patient(tmp_path), brain=None)
    save_nifti(patient.vessels, tubes()[2], AFFINE)
    report = check_patient(patient)
    assert f"is the same as the non-zero part of image {patient.image}" in only(report["problems"])


@pytest.mark.parametrize("share", [0.0004, 0.06])
def test_unusually_few_or_many_vessels_are_warned_of(tmp_path, share):
    image, vessels, brain = tubes()
    count = round(share * brain.sum())
    kept = np.zeros(brain.size, bool)
    bright = np.argsort(np.where(brain, image, -1), axis=None)[::-1]
    kept[bright[:count]] = True
    told = checked(tmp_path, vessels=kept.reshape(brain.shape))["warnings"]
    assert any(f"takes {count / brain.sum():.2%} of the brain" in text for text in told)


FLIPS = {
    "left-right": (0,),
    "front-back": (1,),
    "top-bottom": (2,),
    "left-right and front-back": (0, 1),
    "left-right and front-back and top-bottom": (0, 1, 2),
}


@pytest.mark.parametrize("how", FLIPS)
def test_a_mirrored_vessel_mask_is_warned_of_with_the_axis_and_both_fits(tmp_path, how):
    told = checked(tmp_path, vessels=np.flip(tubes()[1], FLIPS[how]))["warnings"]
    (mirrored,) = [text for text in told if "fits the image better" in text]
    assert f"when it is mirrored {how}: " in mirrored


def test_exchanged_axes_are_warned_of_where_the_shape_does_not_tell(tmp_path):
    image, vessels, brain = tubes((40, 40, 16))
    told = checked(tmp_path, image=image, vessels=vessels.transpose(1, 0, 2), brain=brain)["warnings"]
    assert any("left-right and front-back exchanged" in text for text in told)


def test_both_masks_mirrored_against_the_image_are_warned_of(tmp_path):
    _, vessels, brain = tubes()
    told = checked(tmp_path, vessels=vessels[::-1], brain=brain[::-1])["warnings"]
    assert any("mirrored left-right" in text for text in told)


def test_a_mirrored_brain_mask_is_warned_of_with_both_shares(tmp_path):
    """Of a scan with its skull, the image alone would not show it."""
    image, vessels, brain = tubes()
    vessels[:, 22:] = False
    brain[:, 26:] = False
    share, stored = (vessels & brain).sum() / vessels.sum(), (vessels & brain[:, ::-1]).sum() / vessels.sum()
    assert share > stored + 0.1
    told = checked(
        tmp_path,
        image=image + 50,
        vessels=vessels,
        brain=brain[:, ::-1],
        limits=replace(LIMITS, most_outside=1.0),
    )
    (warning,) = [text for text in told["warnings"] if "holds more of the vessels" in text]
    assert f"mirrored front-back: {share:.0%}, as stored {stored:.0%}" in warning


def test_a_brain_mask_of_another_place_is_warned_of(tmp_path):
    brain = np.roll(tubes()[2], 8, axis=1)
    told = checked(tmp_path, brain=brain)["warnings"]
    assert any(" is 0 in " in text for text in told)


# Intensities


def test_inverted_intensities_are_warned_of(tmp_path):
    image, _, brain = tubes()
    told = checked(tmp_path, image=np.where(brain, image.max() + 1 - image, 0))["warnings"]
    assert any(
        "brighter in the image than what surrounds them with a chance of 0.00 only" in text for text in told
    )


@pytest.mark.parametrize("where", ["brain", "volume"])
def test_standardised_intensities_are_refused_with_the_share_below_zero_and_a_constant(tmp_path, where):
    image, _, brain = tubes()
    values = image[brain] if where == "brain" else image
    scored = ((image - values.mean()) / values.std()).astype(np.float32)
    share = (scored[brain] < 0).mean()
    report = checked(tmp_path, image=scored)
    if share > LIMITS.most_negative:
        told = only(report["problems"])
        assert f"is below 0 in {share:.0%} of the brain" in told
        assert f"add a constant such as {np.ceil(-scored[brain].min()):g}" in told
    else:
        assert report["problems"] == []


def test_vessels_that_wrapped_around_below_zero_are_refused(tmp_path):
    """Unsigned intensities read as signed: only the brightest voxels are wrong."""
    image, vessels, _ = tubes()
    told = only(checked(tmp_path, image=np.where(vessels, image - 65536, image))["problems"])
    assert "100% of the vessels" in told


def test_the_remedy_for_standardised_intensities_works(tmp_path):
    image, _, brain = tubes()
    scored = ((image - image[brain].mean()) / image[brain].std()).astype(np.float32)
    report = checked(tmp_path, image=scored + np.ceil(-scored[brain].min()))
    assert report["problems"] == []


def test_clipped_intensities_are_warned_of(tmp_path):
    image, vessels, _ = tubes()
    top = np.quantile(image[vessels], 0.5)
    told = only(checked(tmp_path, image=np.minimum(image, top).astype(np.float32))["warnings"])
    assert f"50% of the vessel voxels have the largest intensity ({top:g})" in told


def test_one_value_and_few_values_are_refused(tmp_path):
    _, vessels, brain = tubes()
    assert "is 7 everywhere in the brain" in only(checked(tmp_path, image=brain * 7.0)["problems"])
    told = only(checked(tmp_path, image=np.float32(1) * brain + vessels)["problems"])
    assert "has only 2 different values in the brain, like a mask" in told


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_values_that_are_no_numbers_are_refused(tmp_path, value):
    image = tubes()[0]
    image[0, 0, 0] = value
    assert "has 1 NaN or infinite voxels" in only(checked(tmp_path, image=image)["problems"])


# Sizes


@pytest.mark.parametrize("factor", [0.001, 0.2, 50, 1000])
def test_a_head_of_2_m_or_of_less_than_2_cm_is_refused_with_what_was_read_and_expected(tmp_path, factor):
    told = checked(tmp_path, affine=np.diag([factor, factor, factor, 1]) @ AFFINE)["problems"]
    assert f"{0.5 * factor:g} x {0.5 * factor:g} x {0.7 * factor:g} mm" in only(told)
    assert "0.1 to 5 mm and 20 to 600 mm" in only(told)


def test_every_fault_of_a_patient_is_listed(tmp_path):
    image, vessels, brain = tubes()
    thick = ndimage.binary_dilation(vessels, iterations=2) & brain
    report = checked(
        tmp_path, image=image - image[brain].mean(), vessels=thick, affine=np.diag([9, 9, 9, 1.0])
    )
    assert len(report["problems"]) == 3
    assert report["shape"] == [40, 44, 16]
