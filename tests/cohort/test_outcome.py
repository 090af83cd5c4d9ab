"""A patient's check as data: whatever is wrong with a scan is told, and hides nothing of the others."""

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from volumes import CHECKS, LIMITS, USUAL, check_patient, save_nifti, write_patient

from privessel.cohort import nifti
from privessel.cohort.filetype import unpack_nifti
from privessel.cohort.outcome import check, list_usable, require_usable
from privessel.cohort.picture import HEIGHT, draw_patient
from privessel.cohort.scan import read_files
from privessel.cohort.unusual import find_unusual
from privessel.errors import CohortError


def soft(patient):
    save_nifti(patient.vessels, np.full((40, 44, 16), 0.3, np.float32), np.diag([0.5, 0.5, 0.7, 1]))


FAULTS = {
    "truncated": lambda patient: patient.image.write_bytes(patient.image.read_bytes()[:900]),
    "empty file": lambda patient: patient.vessels.write_bytes(b""),
    "no file": lambda patient: patient.brain.unlink(),
    "soft mask": soft,
}


def test_a_usable_patient_is_described_and_has_no_problem(tmp_path):
    outcome = check_patient(write_patient(tmp_path))
    assert outcome["problems"] == []
    assert outcome["shape"] == [40, 44, 16]
    assert json.loads(json.dumps(outcome)) == outcome
    require_usable([outcome])


def test_check_and_picture_read_each_file_once(tmp_path, monkeypatch):
    patient, read = write_patient(tmp_path), []

    def unpack(content):
        read.append(content)
        return unpack_nifti(content)

    monkeypatch.setattr(nifti, "unpack_nifti", unpack)
    files = read_files(patient)
    assert check(patient, files, patch_size=32, limits=LIMITS)["problems"] == []
    assert draw_patient(files).height == HEIGHT
    assert read == [path.read_bytes() for path in patient.files]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_patient_has_an_outcome_with_file_and_remedy(tmp_path, fault):
    patient = write_patient(tmp_path)
    FAULTS[fault](patient)
    outcome = check_patient(patient)
    assert outcome["patient"] == "017"
    assert outcome["split"] == "train"
    assert outcome["problems"]
    for problem in outcome["problems"]:
        assert problem.startswith("patient 017 (cohort pegasus): ")
        assert str(tmp_path) in problem
        assert "Remedy: " in problem


def test_all_faulty_patients_are_named_at_once(tmp_path):
    outcomes = []
    for number, fault in enumerate([None, *FAULTS]):
        patient = write_patient(tmp_path / str(number), name=f"p{number}")
        if fault:
            FAULTS[fault](patient)
        outcomes.append(check_patient(patient))
    with pytest.raises(CohortError, match="4 of 5 patients") as caught:
        require_usable(outcomes)
    named = [f"p{number}" for number in range(5) if f"patient p{number} " in str(caught.value)]
    assert named == ["p1", "p2", "p3", "p4"]
    assert "intake" in str(caught.value)


def test_a_limit_of_warnings_alone_decides_no_check_and_no_list_of_patients(tmp_path):
    """What is trained hangs on the params of the check and on the list, and neither knows such a limit."""
    outcome = check_patient(write_patient(tmp_path))
    assert find_unusual(outcome, USUAL) == []
    (told,) = find_unusual(outcome, replace(USUAL, vessel_share=(0.9, 1.0)))
    assert told.startswith("patient 017 (cohort pegasus): vessel mask ")
    assert "usual are 90.00% to 100.00%" in told
    assert not asdict(LIMITS).keys() & asdict(USUAL).keys()
    assert asdict(LIMITS).keys() | asdict(USUAL).keys() == CHECKS.model_dump().keys()
    (listed,) = list_usable([outcome | {"warnings": [told]}])
    assert not listed.keys() & {"warnings", "measured", "problems"}
    assert listed["voxels"] == outcome["voxels"]
