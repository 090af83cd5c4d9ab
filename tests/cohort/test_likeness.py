"""One scan under two ids is found, however it was stored, and nothing else is taken for one."""

import gzip
import json

import nibabel as nib
import numpy as np
import pytest
from volumes import check_patient, save_nifti, tubes, write_patient

from privessel.cohort.likeness import are_alike, mark_repeated, take_print
from privessel.cohort.outcome import require_usable
from privessel.errors import CohortError
from privessel.phantom import simulate

AFFINE = np.diag([0.5, 0.5, 0.7, 1.0])


def outcome_of(patient):
    return json.loads(json.dumps(check_patient(patient)))


def repeated(outcomes, earlier=()):
    """What each patient is told of the others."""
    return [outcome["problems"] for outcome in mark_repeated(outcomes, earlier)]


def stored_as_it_is(patient, image, vessels):
    pass


def in_another_orientation(patient, image, vessels):
    for path in patient.files:
        nib.save(nib.load(path).as_reoriented(np.array([[1, -1], [0, 1], [2, -1]])), path)


def flipped_without_a_header_that_says_so(patient, image, vessels):
    for path in patient.files:
        save_nifti(path, np.flip(nib.load(path).get_fdata(dtype=np.float32), (0, 2)), AFFINE)


def with_a_margin(patient, image, vessels):
    for path in patient.files:
        data = np.pad(nib.load(path).get_fdata(dtype=np.float32), ((2, 3), (0, 0), (4, 0)))
        save_nifti(path, data, AFFINE)


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
        flipped_without_a_header_that_says_so,
        with_a_margin,
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
    ((told,), (also,)) = repeated([outcome_of(one), outcome_of(other)])
    assert also == told
    assert "one (train, cohort pegasus) and other (train, cohort pegasus) have the same scan" in told
    assert "Remedy: " in told


def test_two_scans_of_the_same_tubes_with_other_noise_are_not_one(tmp_path):
    outcomes = [
        outcome_of(write_patient(tmp_path / str(seed), name=str(seed), seed=seed)) for seed in range(6)
    ]
    assert repeated(outcomes) == [[]] * 6


def test_one_vessel_mask_of_two_patients_is_found(tmp_path):
    one, other = (write_patient(tmp_path / str(seed), name=str(seed), seed=seed) for seed in (1, 2))
    save_nifti(other.vessels, tubes(seed=1)[1], AFFINE)
    ((told,), _) = repeated([outcome_of(one), outcome_of(other)])
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


def test_earlier_patients_are_compared_with_and_unreadable_ones_share_nothing(tmp_path):
    first, second = (write_patient(tmp_path / name, name=name) for name in ("first", "second"))
    third = write_patient(tmp_path / "third", name="third")
    third.vessels.unlink()
    outcomes = [outcome_of(patient) for patient in (first, second, third)]
    ((told,),) = repeated(outcomes[1:2], outcomes[:1])
    assert "first (" in told
    assert "second (" in told
    assert repeated(outcomes[2:], outcomes[:2]) == [outcomes[2]["problems"]]
    assert repeated(outcomes[:1]) == [[]]
    assert outcomes[0]["problems"] == []  # the arguments stay as they are


def test_a_pair_is_told_once_in_the_error(tmp_path):
    outcomes = mark_repeated([outcome_of(write_patient(tmp_path / name, name=name)) for name in "ab"])
    with pytest.raises(CohortError, match="2 of 2 patients cannot be used") as caught:
        require_usable(outcomes)
    assert str(caught.value).count("have the same scan") == 1
