"""A patient's check as data: whatever is wrong with a scan is told, and hides nothing of the others."""

import json

import numpy as np
import pytest
from volumes import LIMITS, save_nifti, write_patient

from privessel.cohort.outcome import check, require_usable
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
    outcome = check(write_patient(tmp_path), patch_size=32, limits=LIMITS)
    assert outcome["problems"] == []
    assert outcome["shape"] == [40, 44, 16]
    assert json.loads(json.dumps(outcome)) == outcome
    require_usable([outcome])


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_patient_has_an_outcome_with_file_and_remedy(tmp_path, fault):
    patient = write_patient(tmp_path)
    FAULTS[fault](patient)
    outcome = check(patient, patch_size=32, limits=LIMITS)
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
        outcomes.append(check(patient, patch_size=32, limits=LIMITS))
    with pytest.raises(CohortError, match="4 of 5 patients") as caught:
        require_usable(outcomes)
    named = [f"p{number}" for number in range(5) if f"patient p{number} " in str(caught.value)]
    assert named == ["p1", "p2", "p3", "p4"]
    assert "intake" in str(caught.value)
