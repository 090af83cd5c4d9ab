import json
from dataclasses import replace

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from volumes import scan_of_tubes

from privessel.cohort.scan import Scan
from privessel.scores.baselines import apply, choose_frangi, choose_threshold, relative_intensity, vesselness

SIGMA_SETS = [[0.5], [0.8], [0.5, 0.8]]


@pytest.fixture(scope="module")
def scans():
    return [scan_of_tubes(seed=seed) for seed in (1, 2)]


def dice(mask, scan):
    return 2 * (mask & scan.vessels).sum() / (mask.sum() + scan.vessels.sum())


def cube(image, spacing=(1.0, 1.0, 1.0), brain=None) -> Scan:
    brain = np.ones(image.shape, dtype=bool) if brain is None else brain
    image = image.astype(np.float32)
    return Scan(image=image * brain, vessels=image > 1.5, brain=brain, spacing=spacing, warnings=[])


def noisy(scan, seed, noise):
    extra = np.random.default_rng(seed).normal(0, noise, scan.image.shape) * scan.brain
    return replace(scan, image=(scan.image + extra).astype(np.float32))


# Threshold


def test_tubes_that_stand_out_are_found_by_the_threshold(scans):
    parameters = choose_threshold(scans, candidates=100)
    assert parameters["dsc"] > 0.99
    assert dice(apply(parameters, scan_of_tubes(seed=3)), scan_of_tubes(seed=3)) > 0.99


def test_the_chosen_threshold_is_the_best_of_a_fine_grid(scans):
    hard = [noisy(scan, seed, 150) for seed, scan in enumerate(scans)]
    parameters = choose_threshold(hard, candidates=400)
    grid = np.linspace(0.9, 3, 211)
    means = [np.mean([dice(apply({"method": "threshold", "ratio": r}, s), s) for s in hard]) for r in grid]
    assert 0.2 < max(means) < 0.9
    assert parameters["dsc"] == pytest.approx(max(means), abs=0.005)


@pytest.mark.parametrize("whole_numbers", [False, True])
@pytest.mark.parametrize("outside", [False, True])
def test_the_reported_dice_is_that_of_the_masks_applied(scans, outside, whole_numbers):
    hard = [noisy(scan, seed, 150) for seed, scan in enumerate(scans)]
    if whole_numbers:  # many voxels lie exactly on a candidate
        hard = [replace(scan, image=np.round(scan.image / 30)) for scan in hard]
    if outside:  # vessels that the brain mask cuts off count as missed
        hard = [replace(scan, brain=scan.brain & (np.arange(40)[:, None, None] > 15)) for scan in hard]
    for parameters in (
        choose_threshold(hard, candidates=50),
        choose_frangi(hard, sigma_sets=SIGMA_SETS, candidates=50),
    ):
        mean = np.mean([dice(apply(parameters, scan), scan) for scan in hard])
        assert parameters["dsc"] == pytest.approx(mean, rel=1e-12)


def test_scanner_gain_changes_no_mask(scans):
    for parameters in (
        choose_threshold(scans, candidates=50),
        choose_frangi(scans, sigma_sets=SIGMA_SETS, candidates=50),
    ):
        louder = scan_of_tubes(seed=1, gain=8.0)
        np.testing.assert_array_equal(apply(parameters, louder), apply(parameters, scan_of_tubes(seed=1)))


def test_relative_intensity_has_median_one_and_refuses_an_image_of_zeros(scans):
    assert np.median(relative_intensity(scans[0])) == pytest.approx(1)
    with pytest.raises(ValueError, match="half of it is empty"):
        relative_intensity(replace(scans[0], image=scans[0].image * 0))


# Frangi


def objectness(image, sigma):
    """The measure for bright tubes written out: Gaussian, central differences, eigenvalues, four factors."""
    smooth = gaussian_filter(image, sigma, mode="nearest", truncate=8) * sigma**2
    hessian = np.zeros((*image.shape, 3, 3))
    for i, j in np.ndindex(3, 3):
        ahead, behind = np.eye(3, dtype=int)[i], -np.eye(3, dtype=int)[i]
        other = np.eye(3, dtype=int)[j]

        def at(*steps):
            return np.roll(smooth, tuple(-sum(steps)), axis=(0, 1, 2))

        if i == j:
            hessian[..., i, j] = at(ahead) - 2 * smooth + at(behind)
        else:
            mixed = at(ahead, other) - at(ahead, -other) - at(behind, other) + at(behind, -other)
            hessian[..., i, j] = mixed / 4
    values = np.linalg.eigvalsh(hessian)
    order = np.abs(values).argsort(axis=-1)
    one, two, three = np.moveaxis(np.take_along_axis(values, order, axis=-1), -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        plate = 1 - np.exp(-((two / three) ** 2) / (2 * 0.5**2))
        blob = np.exp(-(one**2 / np.abs(two * three)) / (2 * 0.5**2))
    noise = 1 - np.exp(-(one**2 + two**2 + three**2) / (2 * 1.0**2))
    return np.where((two < 0) & (three < 0), np.abs(three) * plate * blob * noise, 0)


def test_vesselness_is_its_definition_on_isotropic_voxels():
    rng = np.random.default_rng(0)
    scan = scan_of_tubes((34, 36, 30), (1.0, 1.0, 1.0), seed=4)
    image = 300 + 400 * scan.vessels + rng.normal(0, 10, scan.vessels.shape)
    for sigma in (1.5, 2.5):
        answer = vesselness(cube(image), sigmas_mm=[sigma]).reshape(image.shape)
        expected = objectness(image / np.median(image), sigma)
        inner = (slice(4, -4),) * 3
        assert np.corrcoef(answer[inner].ravel(), expected[inner].ravel())[0, 1] > 0.999
        np.testing.assert_allclose(answer[inner], expected[inner], atol=0.04 * expected[inner].max())


def tube_peak(contrast):
    """The answer on the axis of a Gaussian tube as wide as the filter: curvature contrast / 4 twice and 0."""
    noise = 1 - np.exp(-2 * (contrast / 4) ** 2 / 2)
    return contrast / 4 * (1 - np.exp(-2)) * noise


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (0.5, 0.5, 1.0), (0.4, 0.8, 0.6)])
def test_tubes_of_all_directions_and_voxels_of_any_shape_count_alike(spacing):
    shape = tuple(int(24 / side) + 1 for side in spacing)
    places = np.stack(
        np.meshgrid(*[np.arange(n) * s for n, s in zip(shape, spacing, strict=True)], indexing="ij")
    )
    peaks = []
    for axis in range(3):
        across = [other for other in range(3) if other != axis]
        radius2 = sum((places[other] - 12) ** 2 for other in across)
        tube = 1 + np.exp(-radius2 / (2 * 2.5**2))
        values = vesselness(cube(tube, spacing), sigmas_mm=[2.5]).reshape(shape)
        contrast = 1 / np.median(tube)
        peaks.append(values[tuple(round(12 / side) for side in spacing)] / tube_peak(contrast))
    # Central differences over a voxel of 1 mm see a little less curvature than there is.
    assert peaks == pytest.approx([1] * 3, abs=0.12)
    assert max(peaks) / min(peaks) < 1.1


def test_a_diagonal_tube_counts_like_a_straight_one_beside_it():
    x, y, z = np.meshgrid(*[np.arange(31.0)] * 3, indexing="ij")
    straight = (y - 15) ** 2 + (z - 7) ** 2
    diagonal = (x - y) ** 2 / 2 + (z - 23) ** 2
    image = 1 + np.exp(-straight / 2 / 1.5**2) + np.exp(-diagonal / 2 / 1.5**2)
    values = vesselness(cube(image), sigmas_mm=[1.5]).reshape(image.shape)
    assert values[15, 15, 23] == pytest.approx(values[15, 15, 7], rel=0.02)


@pytest.mark.parametrize("sign", [1, -1])
def test_plates_balls_and_dark_tubes_answer_less_than_bright_tubes(sign):
    places = np.stack(np.meshgrid(*[np.arange(25) - 12.0] * 3, indexing="ij"))
    middle = (12, 12, 12)
    peaks = {}
    for name, axes in (("plate", [0]), ("tube", [0, 1]), ("ball", [0, 1, 2])):
        image = 5 + 5 * sign * np.exp(-sum(places[axis] ** 2 for axis in axes) / (2 * 1.5**2))
        peaks[name] = vesselness(cube(image), sigmas_mm=[1.5]).reshape(25, 25, 25)[middle]
    if sign == -1:
        assert peaks["tube"] == 0
        return
    assert peaks["tube"] > 0
    assert peaks["plate"] < 0.05 * peaks["tube"]
    assert peaks["ball"] < 0.3 * peaks["tube"]


def test_vesselness_of_several_scales_is_the_largest(scans):
    single = [vesselness(scans[0], sigmas_mm=[sigma]) for sigma in (0.5, 0.8)]
    np.testing.assert_array_equal(vesselness(scans[0], sigmas_mm=[0.5, 0.8]), np.maximum(*single))


def test_the_edge_of_the_brain_mask_is_no_vessel():
    scan = scan_of_tubes((40, 44, 24), seed=0)
    rng = np.random.default_rng(0)
    tissue = (500 + rng.normal(0, 5, scan.image.shape)) * scan.brain
    vessel = np.zeros(scan.brain.shape, dtype=bool)
    vessel[:, 21:23, 11:13] = True
    flat = replace(scan, image=(tissue + 200 * (vessel & scan.brain)).astype(np.float32))
    answer = np.zeros(scan.brain.shape)
    answer[scan.brain] = vesselness(flat, sigmas_mm=[0.8])
    assert answer[:, :12][scan.brain[:, :12]].max() < 0.02 * answer[vessel & scan.brain].mean()


def test_an_image_without_structure_has_no_vesselness():
    assert vesselness(cube(np.full((8, 8, 8), 7.0)), sigmas_mm=[1.0]).max() == 0


def test_frangi_beats_the_threshold_where_bright_tissue_is_not_tubular(scans):
    hard = []
    for seed, scan in enumerate(scans):
        ramp = np.linspace(0, 1200, scan.image.shape[0], dtype=np.float32)[:, None, None]
        hard.append(replace(noisy(scan, seed, 20), image=(scan.image + ramp) * scan.brain))
    found = choose_frangi(hard, sigma_sets=SIGMA_SETS, candidates=200)
    assert found["dsc"] > choose_threshold(hard, candidates=200)["dsc"] + 0.1
    assert found["dsc"] > 0.6


def test_the_set_of_scales_with_the_best_dice_is_chosen(scans):
    alone = {
        tuple(sigmas): choose_frangi(scans, sigma_sets=[sigmas], candidates=100)["dsc"]
        for sigmas in SIGMA_SETS
    }
    together = choose_frangi(scans, sigma_sets=SIGMA_SETS, candidates=100)
    assert together["dsc"] == max(alone.values())
    assert alone[tuple(together["sigmas_mm"])] == together["dsc"]
    assert len(set(alone.values())) == 3


def test_parameters_survive_json_and_scans_are_read_once(scans):
    for parameters in (
        choose_threshold(iter(scans), candidates=50),
        choose_frangi(iter(scans), sigma_sets=SIGMA_SETS, candidates=50),
    ):
        back = json.loads(json.dumps(parameters))
        assert back == parameters
        np.testing.assert_array_equal(apply(back, scans[0]), apply(parameters, scans[0]))


def test_masks_lie_in_the_brain(scans):
    for parameters in (
        {"method": "threshold", "ratio": -1.0},
        {"method": "frangi", "sigmas_mm": [0.5], "cutoff": -1.0},
    ):
        np.testing.assert_array_equal(apply(parameters, scans[0]), scans[0].brain)


def test_no_validation_scans_and_an_unknown_method_are_refused(scans):
    with pytest.raises(ValueError, match="validation patients"):
        choose_threshold([], candidates=10)
    with pytest.raises(ValueError, match="unknown baseline 'otsu'"):
        apply({"method": "otsu"}, scans[0])
