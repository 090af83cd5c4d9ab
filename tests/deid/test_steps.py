"""The steps from files to faces, as the rules take them, on a few simulated people."""

import re
from pathlib import Path

import numpy as np
import pytest
from deid.native import SIDE, fine, write

from privessel.deid import qc
from privessel.deid.faces import Faces
from privessel.deid.frame import Framed
from privessel.deid.gamma import Gamma
from privessel.deid.head_cohort import make_people, scanner_affine, write_scan
from privessel.deid.methods import make_heads, measure_faces
from privessel.deid.native import read_native
from privessel.deid.outcome import check
from privessel.deid.preparation import digest_voxels, make_gamma, prepare
from privessel.deid.qc import draw_scan
from privessel.deid.shielding import Shield, fit_public
from privessel.errors import CohortError
from privessel.files.arrays import write_arrays
from privessel.files.reading import read_arrays
from privessel.privacy.accounting import composed_epsilon
from privessel.privacy.keys import create_master
from privessel.privacy.site import SECRET, Site
from privessel.study.head_scans import HeadScan, place_scan
from privessel.study.names import HEAD_BRAIN, HEAD_IMAGE

SURFACE = {"rotations": 4, "planes": 80, "level": 0.2}
PLAIN = {"bias_field": False, "denoising": 0}
CUBE = {"side": 32, "field_of_view": 256.0, "corrections": PLAIN}


class Cohort:
    def __init__(self, root, people=5):
        self.root, self.scans = root, []
        made = make_people({f"q{n}": "train" for n in range(people)}, cohort="some", seed=1)
        for person in made:
            for visit in (1, 2):
                write_scan(root, person, visit=visit, session=str(visit), side=32)
                files = place_scan(root, HEAD_IMAGE, HEAD_BRAIN, person=person.id, session=str(visit))
                digest = digest_voxels(read_native(Path(files.image)))
                framed = prepare(files, digest=digest, **CUBE)
                gamma = make_gamma(framed, seed=1, name=files.name, settings=SURFACE)
                framed.save(self.frame(files.name))
                gamma.save(self.gamma(files.name))
                self.scans.append({"name": files.name, "person": person.id, "session": str(visit)})

    def frame(self, name):
        return self.root / "frame" / f"{name}.npz"

    def gamma(self, name):
        return self.root / "gamma" / f"{name}.npz"

    @property
    def names(self):
        return [scan["name"] for scan in self.scans]

    def shield(self, kind, **changes):
        given = {
            "cohort": "some",
            "kind": kind,
            "seed": 3,
            "delta": 1e-5,
            "clip": 2.5,
            "number": 1,
            "site": None,
            "results": self.root,
            "draws": self.root / "draws",
            "code_files": (),
            "model_digest": "model",
        }
        return Shield(**given | changes).make(
            self.model,
            {name: self.gamma(name) for name in self.names},
            {scan["name"]: scan["person"] for scan in self.scans},
            {name: f"digest of {name}" for name in self.names},
        )

    @property
    def model(self):
        return fit_public([self.frame(n) for n in self.names], [self.gamma(n) for n in self.names], rank=3)[0]


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return Cohort(tmp_path_factory.mktemp("cohort"))


def test_a_scan_is_framed_and_transformed(cohort):
    framed, gamma = Framed.load(cohort.frame("q0_1")), Gamma.load(cohort.gamma("q0_1"))
    assert framed.image.shape == (32, 32, 32)
    np.testing.assert_array_equal(gamma.masked_brain, np.where(framed.brain, framed.image, 0))


def test_a_picture_shows_the_scan_with_its_outlines(cohort):
    framed, gamma = Framed.load(cohort.frame("q0_1")), Gamma.load(cohort.gamma("q0_1"))
    pixels = np.asarray(draw_scan(framed, gamma))
    assert pixels.shape == (256, 5 * 256, 3)
    blue = (pixels == (70, 160, 235)).all(2)
    assert blue[:, : 3 * 256].sum() > 300
    assert not blue[:, 3 * 256 :].any()


def test_every_view_of_a_picture_says_that_it_stays_inside(cohort, monkeypatch):
    framed, gamma = Framed.load(cohort.frame("q0_1")), Gamma.load(cohort.gamma("q0_1"))
    marked = np.asarray(draw_scan(framed, gamma)).astype(int)
    monkeypatch.setattr(qc, "MARK", " ")
    changed = (marked != np.asarray(draw_scan(framed, gamma))).any(2)
    for view in range(5):
        words = changed[:, view * 256 : (view + 1) * 256]
        assert words.sum() > 100
        assert not words[: 256 - 30].any()


def test_both_visits_of_a_person_lie_alike_in_the_cube(cohort):
    """The frame follows the brain: visits of one person overlap more than the scans do in the scanner."""

    def overlap(one, other):
        return 2 * (one & other).sum() / (one.sum() + other.sum())

    for person in ("q0", "q1", "q2"):
        brains = [Framed.load(cohort.frame(f"{person}_{visit}")).brain for visit in (1, 2)]
        assert overlap(*brains) > 0.93


@pytest.mark.parametrize("kind", ["brain", "k-same-3", "local-dp-4"])
def test_all_visits_of_a_person_share_one_code_and_the_same_shield_is_made_again(cohort, kind):
    hulls, again = cohort.shield(kind), cohort.shield(kind)
    assert set(hulls) == set(cohort.names)
    for name, hull in hulls.items():
        np.testing.assert_array_equal(hull, again[name])
        assert hull[Gamma.load(cohort.gamma(name)).brain].all()
    model = cohort.model
    for person in ("q0", "q1"):
        codes = [
            model.encode(hulls[f"{person}_{v}"], Gamma.load(cohort.gamma(f"{person}_{v}")).brain)
            for v in (1, 2)
        ]
        # A hull of voxels gives its code back only roughly.
        np.testing.assert_allclose(codes[0], codes[1], atol=1.0)


def test_on_patients_each_person_is_charged_once_for_all_visits_and_a_second_asking_is_free(cohort, tmp_path):
    site = Site(tmp_path / "state", 10.0, 1e-5)
    create_master(tmp_path / "state" / SECRET)
    given = {"site": site, "results": tmp_path, "draws": tmp_path / "deid" / "draws"}
    hulls = cohort.shield("local-dp-4", **given)
    accounts = site.accounts()
    assert len(accounts) == 5
    for account in accounts:  # one person, by the id and by either scan
        (_, first), (again, second) = account.run.patients
        assert first == again != second
    for account in accounts:
        assert composed_epsilon([account.charge], delta=1e-5) <= 4
    again = cohort.shield("local-dp-4", **given)
    assert all(np.array_equal(hulls[name], again[name]) for name in hulls)
    assert [account.steps for account in site.accounts()] == [1] * 5
    public = cohort.shield("local-dp-4")
    assert any(not np.array_equal(hulls[name], public[name]) for name in hulls)


def test_methods_leave_faces_of_every_scan_in_order(cohort, tmp_path):
    hulls = cohort.shield("brain")
    write_arrays(tmp_path / "hulls.npz", **hulls)
    average = Framed.load(cohort.frame("q4_1")).image
    faces = measure_faces(
        "hull-brain",
        cohort.scans,
        frames=[cohort.frame(name) for name in cohort.names],
        gammas=[cohort.gamma(name) for name in cohort.names],
        hulls=tmp_path / "hulls.npz",
        made=[],
        average=average,
        yaws=[0.0, 30.0],
    )
    assert isinstance(faces, Faces)
    assert faces.depths.shape == (10, 2, 32, 32)
    assert faces.people[:3] == ("q0", "q0", "q1")
    assert faces.sessions[:3] == ("1", "2", "1")
    heads = make_heads(
        ["original", "reface", "hull-paper", "hull-brain"],
        "q0_1",
        frame=cohort.frame("q0_1"),
        gamma=cohort.gamma("q0_1"),
        hulls={"brain": tmp_path / "hulls.npz"},
        made={},
        average=average,
    )
    brain = Framed.load(cohort.frame("q0_1")).brain
    for head in heads.values():
        np.testing.assert_array_equal(head[brain], heads["original"][brain])
    assert not np.array_equal(heads["hull-paper"], heads["hull-brain"])
    np.testing.assert_array_equal(read_arrays(tmp_path / "hulls.npz")["q0_1"], hulls["q0_1"])


def test_a_faulty_scan_is_named_with_person_session_and_file(tmp_path):
    values, brain = fine(0)
    affine = scanner_affine(SIDE)
    image = write(tmp_path / "scan.nii.gz", values, affine)
    mask = write(tmp_path / "brain.nii.gz", brain[:-1].astype(np.uint8), affine, slope=None, dtype=np.uint8)
    (problem,) = check(HeadScan("x1", "2", image, mask), most_voxel_mm=8.0)["problems"]
    assert re.match(r"person x1, session 2: .*brain.nii.gz has the shape", problem)
    whole = write(tmp_path / "whole.nii.gz", brain.astype(np.uint8), affine, slope=None, dtype=np.uint8)
    (problem,) = check(HeadScan("x1", "2", image, whole), most_voxel_mm=3.0)["problems"]
    assert re.match(r"person x1, session 2: .*scan.nii.gz: its voxels are up to 4 mm", problem)


def test_a_scan_without_a_surface_is_named(cohort):
    framed = Framed.load(cohort.frame("q0_1"))
    with pytest.raises(CohortError, match=r"scan some q0_1 has no surface.*Remedy: lower deid.threshold"):
        make_gamma(framed, seed=1, name="some q0_1", settings=SURFACE | {"level": 1.1})


def test_a_copy_under_another_name_has_the_same_digest(tmp_path):
    values, brain = fine(0)
    affine = scanner_affine(SIDE)
    mask = write(tmp_path / "brain.nii.gz", brain.astype(np.uint8), affine, slope=None, dtype=np.uint8)
    digests = [
        check(HeadScan(name, "1", write(tmp_path / f"{name}.nii.gz", values, affine), mask), most_voxel_mm=8)[
            "sha256"
        ]
        for name in ("jane", "john")
    ]
    assert digests[0] == digests[1]
