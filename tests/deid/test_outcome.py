"""What a check tells of each scan, and of all of a cohort at once."""

import json
import os

import nibabel as nib
import numpy as np
import pytest
from deid.clinic import run_script
from deid.native import SIDE, fine, write
from PIL import Image

from privessel.deid.head_cohort import scanner_affine

AFFINE = scanner_affine(SIDE)


class Cohort:
    """A scan of each of some people, checked by the rules' scripts."""

    def __init__(self, folder):
        self.folder, self.scans = folder, []
        self.results = folder / "results" / "deid"

    def add(self, person, number):
        """Write a person's scan and mask; return their paths."""
        values, brain = fine(number)
        folder = self.folder / "scans" / person
        folder.mkdir(parents=True)
        image = write(folder / "T1w.nii.gz", values, AFFINE)
        mask = write(folder / "brain.nii.gz", brain.astype(np.uint8), AFFINE, slope=None, dtype=np.uint8)
        self.scans.append({"person": person, "session": "1", "image": str(image), "brain": str(mask)})
        return image, mask

    def outcome(self, person, end="json"):
        return self.results / "intake" / "clinic" / f"{person}_1.{end}"

    def check(self):
        """Check every scan, then all of them together; return what the latter wrote."""
        for scan in self.scans:
            outputs = {
                "outcome": self.outcome(scan["person"]),
                "picture": self.outcome(scan["person"], "png"),
            }
            run_script(
                "check_head.py",
                log=[os.fspath(self.folder / "log")],
                output={name: str(path) for name, path in outputs.items()},
                params={"scan": scan, "most_voxel_mm": 4.0},
            )
        listed = self.results / "intake.json"
        records = [scan | {"name": f"{scan['person']}_1", "cohort": "clinic"} for scan in self.scans]
        run_script(
            "list_heads.py",
            log=[os.fspath(self.folder / "log")],
            input=[str(self.outcome(scan["person"])) for scan in self.scans],
            output=[str(listed)],
            params={"scans": records},
        )
        return json.loads(listed.read_text())


@pytest.fixture
def cohort(tmp_path):
    return Cohort(tmp_path)


def test_a_cohort_without_faults_is_listed_by_digest(cohort):
    for number, person in enumerate("ab"):
        cohort.add(person, number)
    digests = cohort.check()
    outcome = json.loads(cohort.outcome("a").read_text())
    assert digests["clinic/a_1"] == outcome["sha256"] != digests["clinic/b_1"]
    assert outcome["problems"] == outcome["warnings"] == []
    assert 2.5 < outcome["head_litres"] < 8


def test_one_faulty_scan_hides_no_fault_of_another_and_every_scan_has_a_picture(cohort):
    for number, person in enumerate("abcd"):
        cohort.add(person, number)
    cohort.add("e", 3)
    (cohort.folder / "scans" / "a" / "T1w.nii.gz").write_bytes(b"no scan")
    mask = nib.load(cohort.folder / "scans" / "b" / "brain.nii.gz")
    mask.slicer[2:].to_filename(cohort.folder / "scans" / "b" / "brain.nii.gz")
    values, brain = fine(2)
    write(cohort.folder / "scans" / "c" / "T1w.nii.gz", np.where(brain, 700 - values, values), AFFINE)
    with pytest.raises(SystemExit):
        cohort.check()
    told = (cohort.folder / "log").read_text()
    assert "5 of 5 scans of heads cannot be used" in told
    assert told.count("person clinic/d (session 1) and person clinic/e (session 1) have the same scan") == 1
    for person, fault in (("a", "T1w.nii.gz"), ("b", "has the shape"), ("c", "T1-weighted")):
        lines = [line for line in told.splitlines() if f"person {person}, session 1" in line]
        assert any(fault in line and "Remedy" in line for line in lines)
    assert not (cohort.results / "intake.json").exists()
    assert json.loads(cohort.outcome("d").read_text())["problems"] == []
    for person in "abcd":
        with Image.open(cohort.outcome(person, "png")) as picture:
            assert picture.width > 100


def test_two_people_with_one_scan_are_refused_together(cohort):
    cohort.add("a", 0)
    cohort.add("b", 0)
    with pytest.raises(SystemExit):
        cohort.check()
    assert (
        "person clinic/a (session 1) and person clinic/b (session 1) have the same scan"
        in (cohort.folder / "log").read_text()
    )
