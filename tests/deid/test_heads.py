import dataclasses
import json
from types import MappingProxyType

import nibabel as nib
import numpy as np
import pytest
from deid.people import SIDE, person, scan

from privessel.deid.head_cohort import (
    Person,
    make_people,
    write_people_table,
    write_scan,
)
from privessel.deid.head_tissue import FLUID, GREY, VENTRICLES, WHITE, simulate
from privessel.deid.heads import FIELD_OF_VIEW, place, skin
from privessel.deid.render import measure_depth, shade
from privessel.deid.solids import capsule, ellipsoid, sphere
from privessel.errors import CohortError
from privessel.files.tsv import read_tsv
from privessel.study.names import HEAD_BRAIN, HEAD_IMAGE


def points(*at):
    return tuple(np.float32([p[axis] for p in at]) for axis in range(3))


def test_distances_to_solids_are_those_of_geometry():
    at = points((0, 0, 0), (5, 0, 0), (0, 0, 10))
    np.testing.assert_allclose(sphere(at, (0, 0, 0), 5), [-5, 0, 5], atol=1e-5)
    np.testing.assert_allclose(ellipsoid(at, (0, 0, 0), (5, 5, 5))[1:], [0, 5], atol=1e-4)
    rod = capsule(at, ((0, 0, 0), (0, 0, 10)), (1, 3))
    np.testing.assert_allclose(rod, [-1, 4, -3], atol=1e-5)


def test_a_person_is_the_same_whenever_simulated_and_another_is_not():
    again = Person("p00", "test", 1000).scan(1, SIDE)
    np.testing.assert_array_equal(again.image, person(0).scan(1, SIDE).image)
    assert not np.array_equal(again.image, person(1).scan(1, SIDE).image)


def test_the_skin_encloses_the_brain_with_scalp_and_bone_between():
    for number in range(6):
        one = person(number)
        at = place(one.identity, one.visit(1), SIDE)
        inside = skin(at, one.identity, weight=one.visit(1).weight)
        head = one.scan(1, SIDE)
        assert inside[head.brain].max() < -5
        litres = head.brain.sum() * (FIELD_OF_VIEW / SIDE) ** 3 / 1e6
        assert 0.8 < litres < 1.8


def test_white_matter_is_brighter_than_grey_and_grey_than_fluid():
    head = person(0).scan(1, 64)
    fluid, grey, white = (head.image[head.labels == tissue].mean() for tissue in (FLUID, GREY, WHITE))
    assert fluid < grey < white
    assert (head.labels > 0).sum() == head.brain.sum()


def test_the_brain_knows_nothing_of_nose_and_chin():
    one = person(3)
    other = MappingProxyType({**one.identity.measures, "nose_front": 120.0, "chin_front": 70.0})
    face = dataclasses.replace(one.identity, measures=other)
    mine, others = (simulate(identity, one.visit(1), SIDE) for identity in (one.identity, face))
    np.testing.assert_array_equal(mine.brain, others.brain)
    np.testing.assert_array_equal(mine.image[mine.brain], others.image[mine.brain])
    assert not np.array_equal(mine.image, others.image)


def test_ventricles_grow_with_age():
    one = person(2)
    young, old = (
        simulate(dataclasses.replace(one.identity, age=age), one.visit(1), 64).labels for age in (25.0, 85.0)
    )
    assert (old == VENTRICLES).sum() > 1.3 * (young == VENTRICLES).sum()


def test_faces_are_told_apart_by_depth_alone_at_another_visit():
    """Of eight people, all lying the same way, each face is nearest to its own one at another visit."""

    def depths(visit):
        lying = {"turn": np.zeros(3), "shift": np.zeros(3)}
        visits = [dataclasses.replace(person(n).visit(visit), **lying) for n in range(8)]
        heads = [simulate(person(n).identity, visits[n], SIDE).image for n in range(8)]
        return np.minimum([measure_depth(image) for image in heads], 0.6 * SIDE)

    first, second = depths(1), depths(2)
    nearest = np.abs(first[:, None] - second[None]).mean((2, 3)).argmin(1)
    assert (nearest == np.arange(8)).sum() >= 7


def test_depth_of_a_box_is_where_it_begins():
    volume = np.zeros((8, 8, 8), np.float32)
    volume[2:5, :6, 3] = 1
    depth = measure_depth(volume, level=0.5)
    assert depth[3, 3] == 1.5  # two empty voxels in front; half-way between 0 and 1 lies half a voxel before
    assert depth[0, 0] == 8


def test_a_rendering_shows_a_head_on_black():
    picture = shade(scan(0)[0], pixels=96)
    assert picture.shape == (96, 96)
    assert picture[0, 0] == 0
    assert picture[48, 48] > 60


@pytest.fixture
def cohort(tmp_path):
    people = make_people({"h001": "train", "h002": "test"}, cohort="heads", seed=3)
    for one in people:
        for visit in (1, 2):
            write_scan(tmp_path, one, visit=visit, session=str(visit), side=16)
    write_people_table(tmp_path, people, name="heads")
    return tmp_path, people


def test_a_cohort_is_a_bids_dataset_with_masks(cohort):
    root, people = cohort
    columns, rows = read_tsv(root / "participants.tsv")
    assert columns == ["participant_id", "age", "sex", "split"]
    assert [row["split"] for row in rows] == ["train", "test"]
    assert float(rows[0]["age"]) == pytest.approx(people[0].identity.age, abs=0.06)
    names = {"patient": "h002", "session": "2"}
    image, brain = (nib.load(root / path.format(**names)) for path in (HEAD_IMAGE, HEAD_BRAIN))
    assert image.get_data_dtype() == np.int16
    np.testing.assert_allclose(image.affine, brain.affine)
    np.testing.assert_allclose(image.header.get_zooms(), 16)
    assert json.loads((root / "dataset_description.json").read_text())["DatasetType"] == "raw"


def test_written_bytes_follow_from_the_seed(cohort, tmp_path_factory):
    root, people = cohort
    other = tmp_path_factory.mktemp("again")
    write_scan(other, people[0], visit=1, session="1", side=16)
    path = HEAD_IMAGE.format(patient="h001", session="1")
    assert (root / path).read_bytes() == (other / path).read_bytes()


def test_an_id_that_bids_does_not_allow_is_refused():
    with pytest.raises(CohortError, match="letters and digits"):
        Person("h_1", "test", 1)
