"""Check reports of a whole cohort: all are made before any patient is refused, and no scan occurs twice."""

import gzip
import json

import nibabel as nib
import numpy as np
import pytest
from volumes import SMALL, save_nifti, tubes, write_patient

from privessel.cohort.description import check_patient
from privessel.cohort.intake import find_problems, read_reports, require_sound
from privessel.cohort.likeness import are_alike, find_repeated, take_print
from privessel.errors import CohortError, DamagedError
from privessel.phantom import simulate

AFFINE = np.diag([0.5, 0.5, 0.7, 1.0])


def report_of(patient):
    return json.loads(json.dumps(check_patient(patient, patch_size=32, limits=SMALL)))


def stored_as_it_is(patient, image, vessels):
    pass


def in_another_orientation(patient, image, vessels):
    for path in patient.files:
        nib.save(nib.load(path).as_reoriented(np.array([[1, -1], [0, 1], [2, -1]])), path)


def as_another_type(patient, image, vessels):
    save_nifti(patient.image, image.astype(np.float64), AFFINE)


def not_compressed(patient, image, vessels):
    patient.image.write_bytes(gzip.decompress(patient.image.read_bytes()))


def scaled(patient, image, vessels):
    save_nifti(patient.image, image * 0.37, AFFINE)


def scaled_and_rounded(patient, image, vessels):
    save_nifti(patient.image, np.round(image / image.max() * 2000).astype(np.int16), AFFINE)


def shifted(patient, image, vessels):
    save_nifti(patient.image, image + 100, AFFINE)


def with_another_curve(patient, image, vessels):
    save_nifti(patient.image, np.sqrt(np.maximum(image, 0)), AFFINE)


def inverted(patient, image, vessels):
    save_nifti(patient.image, image.max() + 1 - image, AFFINE)


@pytest.mark.parametrize(
    "change",
    [
        stored_as_it_is,
        in_another_orientation,
        as_another_type,
        not_compressed,
        scaled,
        scaled_and_rounded,
        shifted,
        with_another_curve,
        inverted,
    ],
)
def test_one_scan_under_two_ids_is_found_however_it_was_stored(tmp_path, change):
    one, other = (write_patient(tmp_path / name, name=name) for name in ("one", "other"))
    image, vessels, _ = tubes()
    change(other, image, vessels)
    (told,) = find_repeated([report_of(one), report_of(other)])
    assert "one (train, cohort pegasus) and other (train, cohort pegasus) have the same scan" in told
    assert "Remedy: " in told


def test_two_scans_of_the_same_tubes_with_other_noise_are_not_one(tmp_path):
    reports = [report_of(write_patient(tmp_path / str(seed), name=str(seed), seed=seed)) for seed in range(6)]
    assert find_repeated(reports) == []


def test_one_vessel_mask_of_two_patients_is_found(tmp_path):
    one, other = (write_patient(tmp_path / str(seed), name=str(seed), seed=seed) for seed in (1, 2))
    save_nifti(other.vessels, tubes(seed=1)[1], AFFINE)
    (told,) = find_repeated([report_of(one), report_of(other)])
    assert "have the same vessel mask" in told


def test_prints_of_different_phantoms_differ_in_half_of_their_places():
    """Also where all brains lie in the same place, as after registration to a template."""
    prints = [
        take_print(simulate(seed=seed, shape=(80, 96, 24), spacing=(1.0, 1.0, 1.4), parameters="a").image)
        for seed in range(4)
    ]
    for number, one in enumerate(prints):
        assert are_alike(one, one)
        for other in prints[:number]:
            marks = np.array([list(one), list(other)])
            clear = (marks != "-").all(axis=0)
            assert 0.2 < (marks[0] != marks[1])[clear].mean() < 0.8
            assert not are_alike(one, other)


def test_a_print_of_an_even_image_is_like_nothing():
    flat = take_print(np.zeros((20, 20, 20), np.float32))
    assert not are_alike(flat, flat)


def test_earlier_patients_are_compared_with_but_not_listed_again(tmp_path):
    first, second = (write_patient(tmp_path / name, name=name) for name in ("first", "second"))
    third = write_patient(tmp_path / "third", name="third")
    third.vessels.unlink()
    reports = [report_of(patient) for patient in (first, second, third)]
    assert len(find_problems(reports[:2])) == 1
    assert find_problems(reports[2:], reports[:2]) == reports[2]["problems"]
    assert len(find_problems(reports[1:2], reports[:1])) == 1
    assert find_problems([], reports) == []


def test_all_problems_of_all_patients_end_in_one_error(tmp_path):
    patients = [write_patient(tmp_path / name, name=name, seed=seed) for seed, name in enumerate("abcd")]
    patients[0].image.write_bytes(b"")
    patients[1].brain.unlink()
    save_nifti(patients[2].vessels, tubes(seed=2)[2], AFFINE)
    reports = [report_of(patient) for patient in patients]
    with pytest.raises(CohortError) as caught:
        require_sound(reports)
    lines = str(caught.value).splitlines()
    assert [line[:9] for line in lines] == ["patient a", "patient b", "patient c"]
    require_sound(reports[3:])
    assert reports[0]["voxels"] is None


def test_a_report_that_was_cut_short_is_named(tmp_path):
    report = tmp_path / "017.json"
    report.write_text(json.dumps(report_of(write_patient(tmp_path)))[:-20])
    with pytest.raises(DamagedError, match=r"017\.json is damaged"):
        read_reports([report])
