"""How many patches share a place, and how sampling bounds it: against counting voxel by voxel."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from volumes import scan_of_tubes, tubes

from privessel.cohort.patches import Patches, cut, digest, load, save
from privessel.cohort.regions import largest_overlap, region_patches
from privessel.cohort.sampling import sample_patient, sample_spread_centres
from privessel.cohort.table import Patient
from privessel.errors import CohortError

PATIENT = Patient("017", "pegasus", "train", Path("i.nii"), Path("v.nii"), Path("b.nii"))
# Of the centres that the version before the bound drew for this patient.
BEFORE = "3bb63ae79487d20b953e1ca5b415e784c04a2977e36bf21a88be8a8744f24ad2"


def count_voxel_by_voxel(centres, size, shape):
    """Return in how many patches each voxel lies, in the slowest and plainest way."""
    count = np.zeros(shape, int)
    for x, y, z in centres:
        for i in range(x - size // 2, x - size // 2 + size):
            for j in range(y - size // 2, y - size // 2 + size):
                if 0 <= i < shape[0] and 0 <= j < shape[1]:
                    count[i, j, z] += 1
    return count


@pytest.mark.parametrize("size", [1, 4, 7, 16])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_overlap_is_that_of_the_most_covered_vessel_voxel(size, seed):
    image, vessels, brain = tubes(seed=seed)
    rng = np.random.default_rng(seed)
    centres = np.argwhere(brain)[rng.choice(brain.sum(), 80, replace=False)]
    counted = count_voxel_by_voxel(centres, size, image.shape)
    expected = max(1, counted[vessels].max())
    assert largest_overlap(centres, cut(vessels, centres, size)) == expected
    assert expected > 1 or size <= 4


def test_patches_without_any_vessel_are_counted_at_any_voxel():
    centres = np.array([[10, 10, 3], [12, 10, 3], [12, 10, 4], [30, 30, 3]])
    assert largest_overlap(centres, np.zeros((4, 8, 8), bool)) == 2


def test_a_vessel_that_one_patch_shows_counts_alone_however_many_patches_meet_elsewhere():
    vessels = np.zeros((40, 40, 1), bool)
    vessels[2, 2, 0] = True
    centres = np.array([[4, 4, 0], *[[20, 20 + k, 0] for k in range(5)]])
    assert largest_overlap(centres, cut(vessels, centres, 8)) == 1


@pytest.mark.parametrize("bound", [1, 2, 5])
@pytest.mark.parametrize("size", [4, 7])
def test_no_voxel_lies_in_more_patches_than_the_bound(bound, size):
    _, vessels, brain = tubes()
    given = {"n": 40, "size": size, "max_overlap": bound}
    centres = sample_spread_centres(vessels, brain, **given, rng=np.random.default_rng(3))
    assert centres.shape == (40, 3)
    assert len({tuple(centre) for centre in centres}) == 40
    assert count_voxel_by_voxel(centres, size, brain.shape).max() <= bound
    assert vessels[tuple(centres[:20].T)].all()
    assert brain[tuple(centres.T)].all()


@pytest.mark.parametrize("size", [5, 8])
def test_sampling_skips_a_candidate_only_if_it_would_break_the_bound(size):
    """The accepted ones are those of the plain rule: visit in order, count, skip what covers too much."""
    shape, bound = (23, 19, 2), 3
    vessels = np.random.default_rng(0).random(shape) < 0.3
    brain = np.ones(shape, bool)
    count, plain, rng = np.zeros(shape, int), [], np.random.default_rng(7)
    for candidates, wanted in ((vessels, 10), (brain, 10)):
        accepted = []
        free = np.flatnonzero(candidates if candidates is vessels else ~np.isin(np.arange(brain.size), plain))
        for index in rng.permutation(free):
            x, y, z = np.unravel_index(index, shape)
            window = count[max(0, x - size // 2) : x - size // 2 + size]
            window = window[:, max(0, y - size // 2) : y - size // 2 + size, z]
            if len(accepted) < wanted and window.max() < bound:
                window += 1
                accepted.append(index)
        plain += accepted
    given = {"n": 20, "size": size, "max_overlap": bound}
    found = sample_spread_centres(vessels, brain, **given, rng=np.random.default_rng(7))
    assert len(plain) == 20
    np.testing.assert_array_equal(np.ravel_multi_index(found.T, shape), plain)


def test_a_bound_that_a_scan_cannot_keep_is_refused_with_the_patient_and_the_remedy():
    with pytest.raises(
        CohortError, match=r"patient 017 .*only \d+ fit with at most 1 .*raise patches.max_ov"
    ):
        sample_patient(PATIENT, scan_of_tubes(), n=200, size=16, seed=0, max_overlap=1)


def test_bounded_patches_are_the_same_for_the_same_seed_only():
    one, again, other = (
        sample_patient(PATIENT, scan_of_tubes(), n=30, size=8, seed=seed, max_overlap=3) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one.centre, again.centre)
    assert (one.centre != other.centre).any()


def test_without_a_bound_patches_are_those_that_earlier_versions_drew():
    drawn = sample_patient(PATIENT, scan_of_tubes(), n=60, size=16, seed=5, max_overlap=None)
    assert digest(drawn.centre) == BEFORE


def sampled(seed, **changes):
    scan = scan_of_tubes(seed=seed)
    return sample_patient(replace(PATIENT, id=f"{seed:03d}"), scan, n=40, size=12, seed=seed, **changes)


def test_a_region_s_patches_are_those_of_the_worst_patient_and_follow_from_the_files(tmp_path):
    parts = [sampled(seed, max_overlap=None) for seed in (1, 2, 3)]
    paths = [tmp_path / f"{part.patients[0]}.npz" for part in parts]
    for part, path in zip(parts, paths, strict=True):
        save(path, part)
    together = load(paths, scale=(-1, 1))
    overlaps = [largest_overlap(part.centre, part.label) for part in parts]
    assert region_patches(together, max_overlap=None) == max(overlaps) > 1


def test_a_bound_is_stated_as_it_is_and_patches_that_break_it_are_refused():
    patches: Patches = sampled(1, max_overlap=4)
    assert region_patches(patches, max_overlap=4) == 4
    assert region_patches(patches, max_overlap=9) == 9
    with pytest.raises(CohortError, match=r"patient 001: \d+ patches cover .*max_overlap is 2"):
        region_patches(sampled(1, max_overlap=None), max_overlap=2)
