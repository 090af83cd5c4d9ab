"""A cohort of any layout, from its table on disk to a row of metrics and a mask in its own frame."""

import csv
from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
from volumes import scan_of_tubes

from privessel.cohort.nifti import load_mask
from privessel.cohort.sampling import sample_patient
from privessel.cohort.scan import load_scan
from privessel.cohort.table import check_files, read_participants
from privessel.scores.evaluation import evaluate_patients

OBLIQUE = nib.affines.from_matvec(
    nib.eulerangles.euler2mat(0.2, -0.15, 0.1) @ np.diag([-0.5, 0.5, 0.7]), [40.0, -30.0, 12.0]
)
LAYOUTS = {
    "flat": {
        "image": "{patient}_img.nii.gz",
        "vessels": "{patient}_label.nii.gz",
        "brain": "{patient}_mask.nii.gz",
    },
    "bids-with-sessions": {
        "image": "sub-{patient}/ses-{session}/anat/sub-{patient}_ses-{session}_acq-TOF_angio.nii.gz",
        "vessels": "derivatives/manual/sub-{patient}/ses-{session}/sub-{patient}_desc-vessels_mask.nii.gz",
        "brain": "derivatives/manual/sub-{patient}/ses-{session}/sub-{patient}_desc-brain_mask.nii.gz",
    },
}


@pytest.fixture(params=["flat", "bids-with-sessions"])
def patients(request, tmp_path):
    """Two patients of tubes, stored left-to-right reversed and obliquely, in either layout."""
    layout = LAYOUTS[request.param]
    with (tmp_path / "participants.tsv").open("w", newline="") as file:
        table = csv.writer(file, delimiter="\t")
        table.writerow(["participant_id", "session_id", "split"])
        table.writerows([["sub-01", "ses-pre", "train"], ["sub-02", "ses-post", "test"]])
    scan = scan_of_tubes()
    parts = {"image": scan.image, "vessels": scan.vessels, "brain": scan.brain}
    for patient, session in (("01", "pre"), ("02", "post")):
        for role, template in layout.items():
            path = tmp_path / template.format(patient=patient, session=session)
            path.parent.mkdir(parents=True, exist_ok=True)
            volume = parts[role].astype(np.float32 if role == "image" else np.uint8)
            nib.save(nib.Nifti1Image(volume, OBLIQUE), path)
    found = read_participants(cohort="mine", root=tmp_path, participants="participants.tsv", **layout)
    check_files(found)
    return found


def test_the_true_mask_scores_full_marks_and_returns_to_the_stored_frame(patients, tmp_path):
    test = [patient for patient in patients if patient.split == "test"]
    rows, masks = [tmp_path / "out/02.csv"], [tmp_path / "out/02.nii.gz"]
    evaluate_patients(
        test, lambda scan: scan.vessels, patch_size=16, rows=rows, masks=masks, table=tmp_path / "all.csv"
    )
    row = next(csv.DictReader(rows[0].open()))
    assert row["patient"] == "02"
    assert list(csv.DictReader((tmp_path / "all.csv").open())) == [row]
    assert float(row["dsc"]) == 1
    assert float(row["bahd_mm"]) == 0
    assert float(row["hd95_mm"]) == 0
    stored, truth = nib.load(masks[0]), nib.load(test[0].vessels)
    assert np.array_equal(stored.dataobj, truth.dataobj)
    assert np.allclose(stored.affine, truth.affine)


def test_a_mask_shifted_in_the_canonical_frame_is_shifted_in_the_stored_one(patients, tmp_path):
    """The cohort's x axis runs right to left, so a step to the right is a step back in the file."""
    rows, masks = [tmp_path / "01.csv"], [tmp_path / "01.nii.gz"]
    evaluate_patients(
        patients[:1],
        lambda scan: np.roll(scan.vessels, 1, axis=0),
        patch_size=16,
        rows=rows,
        masks=masks,
        table=tmp_path / "all.csv",
    )
    truth = np.asarray(nib.load(patients[0].vessels).dataobj)
    assert np.array_equal(np.asarray(nib.load(masks[0]).dataobj), np.roll(truth, -1, axis=0))
    assert np.array_equal(load_mask(masks[0]), np.roll(load_mask(patients[0].vessels), 1, axis=0))


def test_patches_and_spacing_are_those_of_the_scan(patients):
    scan = load_scan(patients[0], patch_size=16)
    assert np.allclose(scan.spacing, (0.5, 0.5, 0.7))
    patches = sample_patient(patients[0], scan, n=20, size=16, seed=1, max_overlap=None)
    x, y, z = patches.centre.T
    assert np.array_equal(patches.label[:, 8, 8], scan.vessels[x, y, z])
    assert np.array_equal(patches.image[:, 8, 8], scan.image[x, y, z])


def test_what_is_found_on_prepared_voxels_is_scored_and_stored_on_the_patients_own(patients, tmp_path):
    rows, masks = [tmp_path / "02.csv"], [tmp_path / "02.nii.gz"]
    prepared = replace(patients[1], resample_mm=(0.4, 0.4, 0.4), bias_correction="n4")
    shapes = []

    def segment(scan):
        shapes.append(scan.image.shape)
        return scan.vessels

    evaluate_patients([prepared], segment, patch_size=16, rows=rows, masks=masks, table=tmp_path / "all.csv")
    row = next(csv.DictReader(rows[0].open()))
    native = load_scan(patients[1], patch_size=16)
    assert shapes == [(50, 55, 28)]
    stored, truth = nib.load(masks[0]), nib.load(patients[1].vessels)
    assert stored.shape == truth.shape
    assert np.allclose(stored.affine, truth.affine)
    mask = load_mask(masks[0])
    assert float(row["dsc"]) > 0.9
    expected = 2 * (mask & native.vessels).sum() / (mask.sum() + native.vessels.sum())
    assert float(row["dsc"]) == pytest.approx(expected)
    assert int(row["tp"]) + int(row["fn"]) == native.vessels.sum()
