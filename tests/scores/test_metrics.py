import itertools

import numpy as np
import pytest
import SimpleITK
from scipy import ndimage
from volumes import tubes

from privessel.scores.metrics import centreline, centreline_dice, count_components, evaluate

DISTANCES = ["bahd_voxel", "bahd_mm", "ahd_mm", "hd95_voxel", "hd95_mm", "hd95_surface_mm"]
TOPOLOGY = ["cldice", "component_error"]
NAMES = ["dsc", *DISTANCES, *TOPOLOGY, "tp", "fp", "fn", "empty"]
ISOTROPIC, ANISOTROPIC = (1.0, 1.0, 1.0), (0.5, 0.4, 0.7)


def compare(truth, prediction, spacing=ISOTROPIC, brain=None):
    brain = np.ones(truth.shape, dtype=bool) if brain is None else brain
    return evaluate(truth, prediction, spacing=spacing, brain=brain)


def block(shape, *sides):
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(slice(*side) for side in sides)] = True
    return mask


def random_pair(seed, shape=(9, 8, 7), density=0.15):
    rng = np.random.default_rng(seed)
    return rng.random(shape) < density, rng.random(shape) < density * rng.uniform(0.3, 2)


def nearest(sources, targets, spacing):
    """Every distance between two sets of voxels, the smallest for each source."""
    a, b = np.argwhere(sources) * spacing, np.argwhere(targets) * spacing
    return np.linalg.norm(a[:, None] - b[None], axis=-1).min(axis=1)


def brute_force(truth, prediction, spacing):
    """The definitions, over all pairs of voxels."""
    n_truth, n_prediction = truth.sum(), prediction.sum()
    result = {"dsc": 2 * (truth & prediction).sum() / (n_truth + n_prediction)}
    for unit, scale in (("voxel", (1, 1, 1)), ("mm", spacing)):
        missed, spurious = nearest(truth, prediction, scale), nearest(prediction, truth, scale)
        result[f"bahd_{unit}"] = (missed.sum() / n_truth + spurious.sum() / n_truth) / 2
        result[f"ahd_{unit}"] = (missed.mean() + spurious.mean()) / 2
        result[f"hd95_{unit}"] = max(np.percentile(missed, 95), np.percentile(spurious, 95))
    # MONAI: edges = mask xor its binary erosion; percentile of each direction, then the larger one.
    edges = [mask ^ ndimage.binary_erosion(mask) for mask in (truth, prediction)]
    there, back = nearest(*edges, spacing), nearest(*edges[::-1], spacing)
    result["hd95_surface_mm"] = max(np.percentile(there, 95), np.percentile(back, 95))
    del result["ahd_voxel"]
    return result


@pytest.mark.parametrize("density", [0.02, 0.15, 0.7])
@pytest.mark.parametrize("spacing", [ISOTROPIC, ANISOTROPIC])
@pytest.mark.parametrize("seed", range(4))
def test_every_metric_equals_brute_force_on_random_masks(seed, spacing, density):
    truth, prediction = random_pair(seed, density=density)
    found = compare(truth, prediction, spacing)
    for name, value in brute_force(truth, prediction, spacing).items():
        assert found[name] == pytest.approx(value, rel=1e-12, abs=1e-12), name
    assert found["tp"] == (truth & prediction).sum()
    assert found["fp"] == (prediction & ~truth).sum()
    assert found["fn"] == (truth & ~prediction).sum()
    assert found["empty"] == 0


@pytest.mark.parametrize("spacing", [ISOTROPIC, ANISOTROPIC])
def test_every_metric_equals_brute_force_on_thick_bodies_that_overlap(spacing):
    truth = block((14, 13, 9), (2, 10), (3, 11), (0, 7))
    prediction = block((14, 13, 9), (5, 14), (2, 8), (2, 9))
    found = compare(truth, prediction, spacing)
    for name, value in brute_force(truth, prediction, spacing).items():
        assert found[name] == pytest.approx(value, rel=1e-12), name


@pytest.mark.parametrize("spacing", [ISOTROPIC, (0.5, 0.5, 0.7)])
def test_average_hausdorff_distance_equals_simpleitk(spacing):
    _, truth, _ = tubes((90, 96, 40), spacing, seed=1)
    prediction = ndimage.shift(truth, (2, -1, 1), order=0) | (tubes((90, 96, 40), spacing, seed=2)[1])
    images = [SimpleITK.GetImageFromArray(mask.T.astype(np.uint8)) for mask in (truth, prediction)]
    for image in images:
        image.SetSpacing(spacing)
    oracle = SimpleITK.HausdorffDistanceImageFilter()
    oracle.Execute(*images)
    overlap = SimpleITK.LabelOverlapMeasuresImageFilter()
    overlap.Execute(*images)
    found = compare(truth, prediction, spacing)
    assert found["ahd_mm"] == pytest.approx(oracle.GetAverageHausdorffDistance(), rel=1e-5)
    assert found["dsc"] == pytest.approx(overlap.GetDiceCoefficient())
    assert found["hd95_mm"] <= oracle.GetHausdorffDistance()


@pytest.mark.parametrize("k", [1, 2, 5])
def test_bahd_of_a_plate_shifted_by_k_voxels_is_k(k):
    truth = block((20, 6, 6), (3, 4), (0, 6), (0, 6))
    found = compare(truth, np.roll(truth, k, axis=0), ANISOTROPIC)
    assert found["dsc"] == 0
    for name in ("bahd_voxel", "hd95_voxel"):
        assert found[name] == pytest.approx(k)
    for name in ("bahd_mm", "ahd_mm", "hd95_mm", "hd95_surface_mm"):
        assert found[name] == pytest.approx(0.5 * k)


def test_bahd_of_a_slab_shifted_along_its_thickness_counts_only_what_sticks_out():
    truth = block((20, 5, 5), (4, 12), (0, 5), (0, 5))
    found = compare(truth, np.roll(truth, 3, axis=0))
    # Of 8 layers, 3 stick out on either side, 1, 2 and 3 voxels away.
    assert found["bahd_voxel"] == pytest.approx((1 + 2 + 3) / 8)
    assert found["dsc"] == pytest.approx(5 / 8)


def test_bahd_divides_false_positives_by_the_truth_and_ahd_by_the_prediction():
    truth = block((10, 10, 3), (1, 2), (1, 2), (1, 2))
    prediction = truth | block((10, 10, 3), (4, 5), (1, 2), (0, 3))
    away = 3 + 2 * np.sqrt(10)
    found = compare(truth, prediction)
    assert found["bahd_voxel"] == pytest.approx(away / 1 / 2)
    assert found["ahd_mm"] == pytest.approx(away / 4 / 2)


def test_a_perfect_prediction_has_no_distance():
    _, vessels, brain = tubes()
    found = compare(vessels, vessels, ANISOTROPIC, brain)
    assert found == {
        **dict.fromkeys(DISTANCES, 0),
        "dsc": 1,
        "cldice": 1,
        "component_error": 0,
        "tp": vessels.sum(),
        "fp": 0,
        "fn": 0,
        "empty": 0,
    }


def test_a_row_has_exactly_the_columns_of_the_design_in_their_order():
    truth, prediction = random_pair(0)
    assert list(compare(truth, prediction)) == NAMES
    assert list(compare(truth, prediction & False)) == NAMES
    for value in compare(truth, prediction).values():
        assert type(value) in (float, int)


def test_all_but_bahd_and_the_counts_are_symmetric():
    truth, prediction = random_pair(3)
    there, back = compare(truth, prediction, ANISOTROPIC), compare(prediction, truth, ANISOTROPIC)
    for name in ("dsc", "ahd_mm", "hd95_voxel", "hd95_mm", "hd95_surface_mm"):
        assert there[name] == pytest.approx(back[name])
    assert there["cldice"] == pytest.approx(back["cldice"])
    assert there["component_error"] == back["component_error"]
    assert (there["fp"], there["fn"]) == (back["fn"], back["fp"])
    ratio = truth.sum() / prediction.sum()
    assert back["bahd_mm"] == pytest.approx(there["bahd_mm"] * ratio)


def test_turning_the_volume_with_its_spacing_changes_nothing():
    truth, prediction = random_pair(4)
    found = compare(truth, prediction, ANISOTROPIC)
    for axes in itertools.permutations(range(3)):
        spacing = tuple(ANISOTROPIC[axis] for axis in axes)
        turned = compare(truth.transpose(axes)[::-1], prediction.transpose(axes)[::-1], spacing)
        # Thinning takes voxels away in a fixed order of directions, so clDice may change a little.
        assert turned == pytest.approx(found | {"cldice": turned["cldice"]})
        assert turned["cldice"] == pytest.approx(found["cldice"], abs=0.1)


def test_millimetres_scale_with_the_spacing_and_voxels_do_not():
    truth, prediction = random_pair(5)
    single, double = compare(truth, prediction, (1, 1, 1)), compare(truth, prediction, (2, 2, 2))
    for name in DISTANCES:
        assert double[name] == pytest.approx(single[name] * (2 if name.endswith("mm") else 1))


def test_empty_space_around_the_masks_changes_nothing():
    truth, prediction = random_pair(6)
    padded = [np.pad(mask, ((3, 0), (1, 4), (2, 2))) for mask in (truth, prediction)]
    assert compare(*padded, ANISOTROPIC) == pytest.approx(compare(truth, prediction, ANISOTROPIC))


def test_five_per_cent_of_strays_do_not_move_hd95_and_more_do():
    truth = block((60, 5, 5), (0, 4), (0, 5), (0, 5))
    strays = np.zeros_like(truth)
    strays[50, 0, :4] = True
    assert compare(truth, truth | strays)["hd95_voxel"] == 0
    strays[50, 1:3] = True
    assert compare(truth, truth | strays)["hd95_voxel"] > 40


def test_an_empty_prediction_is_as_far_away_as_the_brain_is_long():
    truth = block((20, 20, 20), (5, 7), (5, 7), (5, 7))
    brain = block((20, 20, 20), (2, 14), (1, 17), (0, 15))
    found = compare(truth, truth & False, (0.5, 0.25, 1.0), brain)
    assert (found["dsc"], found["cldice"], found["empty"]) == (0, 0, 1)
    assert found["component_error"] == 1
    assert (found["tp"], found["fp"], found["fn"]) == (0, 0, 8)
    for name in DISTANCES:
        diagonal = np.sqrt(12**2 + 16**2 + 15**2) if name.endswith("voxel") else np.sqrt(6**2 + 4**2 + 15**2)
        assert found[name] == pytest.approx(diagonal)


def test_an_empty_prediction_is_never_better_than_any_other_in_the_brain():
    truth, _ = random_pair(7, shape=(12, 10, 8), density=0.02)
    brain = np.ones(truth.shape, dtype=bool)
    worst = compare(truth, truth & False, ANISOTROPIC, brain)
    for corner in itertools.product((0, -1), repeat=3):
        prediction = np.zeros_like(truth)
        prediction[corner] = True
        found = compare(truth, prediction, ANISOTROPIC, brain)
        for name in DISTANCES:
            assert found[name] <= worst[name]


def test_an_empty_truth_or_brain_and_unequal_shapes_are_refused():
    truth, prediction = random_pair(8)
    with pytest.raises(ValueError, match="truth has no vessel voxel"):
        compare(truth & False, prediction)
    with pytest.raises(ValueError, match="brain mask is empty"):
        compare(truth, prediction & False, brain=truth & False)
    with pytest.raises(ValueError, match="differ in shape"):
        compare(truth, prediction[1:])


# Topology


def rod(shape=(40, 15, 15), *, ends=(3, 37), centre=(7, 7), radius=3.0):
    """A round rod along x; its axis lies on the voxels (y, z) = `centre`."""
    x, y, z = np.indices(shape)
    distance = np.hypot(y - centre[0], z - centre[1])
    return (distance <= radius) & (x >= ends[0]) & (x < ends[1])


def ring(shape=(31, 31, 9), *, radius=10.0, thickness=2.2):
    x, y, z = np.indices(shape) - (np.array(shape) // 2)[:, None, None, None]
    return np.hypot(np.hypot(x, y) - radius, z) <= thickness


def holes(mask):
    """The number of handles of one body without cavities, 1 - Euler characteristic by counting its cells.

    A voxel is a closed cube, so that bodies which touch at a corner are one, as with 26 neighbours.
    """
    characteristic = 0
    for sides in itertools.product((0, 1), repeat=3):  # 0: a vertex along this axis, 1: an edge
        cells = np.zeros(np.array(mask.shape) + 1, dtype=bool)
        for shift in itertools.product(*[(0,) if side else (0, 1) for side in sides]):
            places = tuple(slice(s, s + n) for s, n in zip(shift, mask.shape, strict=True))
            cells[places] |= mask
        characteristic += (-1) ** sum(sides) * int(cells.sum())
    return 1 - characteristic


def components_by_flood(mask):
    """Connected components, by walking from voxel to voxel through all 26 neighbours."""
    left, count = set(map(tuple, np.argwhere(mask))), 0
    steps = list(itertools.product((-1, 0, 1), repeat=3))
    while left:
        count += 1
        todo = [left.pop()]
        while todo:
            place = todo.pop()
            near = {tuple(np.add(place, step)) for step in steps} & left
            left -= near
            todo += near
    return count


BROKEN = rod() & ~rod(ends=(15, 23))
SHAPES = {
    "tube": (rod(), 1),
    "broken tube": (BROKEN, 2),
    "ring": (ring(), 1),
    "two tubes": (rod((40, 30, 15)) | rod((40, 30, 15), centre=(22, 7)), 2),
    "cubes that share a corner": (
        block((12, 12, 12), *[(2, 6)] * 3) | block((12, 12, 12), *[(6, 10)] * 3),
        1,
    ),
}


@pytest.mark.parametrize("name", SHAPES)
def test_components_of_shapes_of_known_topology(name):
    mask, expected = SHAPES[name]
    assert count_components(mask) == expected == components_by_flood(mask)
    assert count_components(mask & False) == 0


@pytest.mark.parametrize("name", ["tube", "broken tube", "ring", "two tubes"])
def test_a_centreline_is_thin_lies_inside_and_keeps_components_and_holes(name):
    mask, expected = SHAPES[name]
    line = centreline(mask)
    assert not (line & ~mask).any()
    assert count_components(line) == expected
    assert line.sum() < 0.1 * mask.sum()
    if expected == 1:
        assert holes(line) == holes(mask) == (name == "ring")


def test_no_component_vanishes_from_the_centreline():
    """scikit-image thins a cube of even width, and some irregular bodies, to nothing."""
    cubes = block((20, 9, 9), (1, 3), (2, 4), (2, 4)) | block((20, 9, 9), (8, 12), (2, 6), (2, 6))
    assert count_components(centreline(cubes)) == 2
    for seed in range(20):
        for mask in random_pair(seed, density=0.3):
            line = centreline(mask)
            assert not (line & ~mask).any()
            labels, count = ndimage.label(mask, np.ones((3, 3, 3)))
            assert len(np.unique(labels[line])) == count


@pytest.mark.parametrize("name", SHAPES)
def test_cldice_of_a_shape_against_itself_is_one_and_no_component_is_in_error(name):
    mask, _ = SHAPES[name]
    found = compare(mask, mask)
    assert (found["cldice"], found["component_error"]) == (1, 0)


def test_cldice_does_not_depend_on_the_radius_where_dice_does():
    thick, thin = rod(radius=4), rod(radius=1.5)
    found = compare(thick, thin)
    assert found["dsc"] < 0.4
    # Thinning shortens a rod by about its radius at both ends; nothing else is lost.
    assert found["cldice"] == pytest.approx(1, abs=0.03)


def test_cldice_of_a_broken_tube_loses_the_share_of_the_gap():
    truth = rod()
    found = compare(truth, BROKEN)
    # The centreline of a straight rod lies on its axis, here from x = 3 to 37; the gap takes 8 of its voxels.
    axis = centreline(truth)
    assert set(map(tuple, np.argwhere(axis)[:, 1:])) == {(7, 7)}
    length = int(axis.sum())
    assert length == pytest.approx(34, abs=6)
    sensitivity, precision = (length - 8) / length, 1.0
    assert found["cldice"] == pytest.approx(2 * precision * sensitivity / (precision + sensitivity))
    assert found["component_error"] == 1


@pytest.mark.parametrize("seed", range(4))
def test_cldice_is_its_definition_by_sets_of_voxels(seed):
    truth, prediction = random_pair(seed, density=0.3)
    voxels = [set(map(tuple, np.argwhere(mask))) for mask in (truth, prediction)]
    lines = [set(map(tuple, np.argwhere(centreline(mask)))) for mask in (truth, prediction)]
    precision = len(lines[1] & voxels[0]) / len(lines[1])
    sensitivity = len(lines[0] & voxels[1]) / len(lines[0])
    expected = 2 * precision * sensitivity / (precision + sensitivity)
    assert centreline_dice(truth, prediction) == pytest.approx(expected)
    assert compare(truth, prediction)["cldice"] == pytest.approx(expected)


def test_masks_that_do_not_meet_have_cldice_zero_and_specks_are_errors():
    truth, aside = rod((40, 30, 15)), rod((40, 30, 15), centre=(22, 7))
    assert compare(truth, aside)["cldice"] == 0
    specks = truth.copy()
    specks[2:38:6, 25, 7] = True
    assert compare(truth, specks)["component_error"] == 6
    assert compare(specks, truth)["component_error"] == 6
