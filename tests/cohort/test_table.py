import gzip
import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from nibabel import orientations
from volumes import save_nifti, tubes, write_patient

from privessel.cohort.intake import check_listed, read_voxels
from privessel.cohort.nifti import load_mask, restore
from privessel.cohort.scan import load_scan, report
from privessel.cohort.table import (
    Patient,
    build_patients,
    check_cohorts,
    check_files,
    check_output_outside,
    read_participants,
    require_splits,
)
from privessel.errors import CohortError

FLAT = {
    "image": "{patient}_img.nii.gz",
    "vessels": "{patient}_label.nii.gz",
    "brain": "{patient}_mask.nii.gz",
}
BIDS_STEM = "sub-{patient}/ses-{session}/anat/sub-{patient}_ses-{session}_acq-TOF"


def read_rows(root: Path, *rows: str, header="participant_id\tsplit", **templates):
    (root / "participants.tsv").write_text("\n".join([header, *rows, ""]))
    return read_participants(
        cohort="pegasus", root=root, participants="participants.tsv", **{**FLAT, **templates}
    )


def complaint(action, *arguments, **keywords) -> str:
    with pytest.raises(CohortError) as caught:
        action(*arguments, **keywords)
    return str(caught.value)


# The table


def test_a_flat_layout_is_read_by_its_templates(tmp_path):
    first, second = read_rows(tmp_path, "sub-001\ttrain", "002\ttest")
    assert first == Patient(
        id="001",
        cohort="pegasus",
        split="train",
        image=tmp_path / "001_img.nii.gz",
        vessels=tmp_path / "001_label.nii.gz",
        brain=tmp_path / "001_mask.nii.gz",
    )
    assert (second.id, second.split) == ("002", "test")


def test_without_a_brain_template_patients_have_no_brain_mask(tmp_path):
    assert read_rows(tmp_path, "001\ttrain", brain=None)[0].brain is None


@pytest.mark.parametrize("column", ["session", "session_id"])
@pytest.mark.parametrize("value", ["2", "ses-2"])
def test_bids_sessions_are_found_with_and_without_their_prefix(tmp_path, column, value):
    (patient,) = read_rows(
        tmp_path,
        f"sub-X1\ttest\t{value}",
        header=f"participant_id\tsplit\t{column}",
        image=f"{BIDS_STEM}_angio.nii.gz",
        vessels=f"derivatives/manual/{BIDS_STEM}_desc-vessels_mask.nii.gz",
        brain=None,
    )
    assert patient.image == tmp_path / "sub-X1/ses-2/anat/sub-X1_ses-2_acq-TOF_angio.nii.gz"
    assert patient.vessels.is_relative_to(tmp_path / "derivatives/manual")


def test_any_column_can_stand_in_a_template(tmp_path):
    (patient,) = read_rows(
        tmp_path, "7\ttrain\tBerlin", header="participant_id\tsplit\tsite", image="{site}/{patient}.nii"
    )
    assert patient.image == tmp_path / "Berlin/7.nii"


def test_a_table_from_a_spreadsheet_is_read_like_any_other(tmp_path):
    (tmp_path / "participants.tsv").write_bytes(b"\xef\xbb\xbfparticipant_id\tsplit\r\n001 \ttrain\r\n")
    (patient,) = read_participants(cohort="c", root=tmp_path, participants="participants.tsv", **FLAT)
    assert (patient.id, patient.split) == ("001", "train")


def test_a_missing_table_is_named(tmp_path):
    message = complaint(
        read_participants, cohort="pegasus", root=tmp_path, participants="participants.tsv", **FLAT
    )
    assert "cohort pegasus" in message
    assert str(tmp_path / "participants.tsv") in message
    assert "Remedy" in message


def test_a_table_without_the_split_column_is_refused_with_its_columns(tmp_path):
    message = complaint(read_rows, tmp_path, "001\t64", header="participant_id\tage")
    assert "no column split" in message
    assert "participant_id, age" in message


def test_a_comma_separated_table_is_told_to_use_tabs(tmp_path):
    message = complaint(read_rows, tmp_path, "001,train", header="participant_id,split")
    assert "separated by tabs" in message


@pytest.mark.parametrize("content", ["participant_id\tsplit\n", "participant_id\tsplit"])
def test_a_table_without_patients_is_refused(tmp_path, content):
    (tmp_path / "participants.tsv").write_text(content)
    message = complaint(read_participants, cohort="c", root=tmp_path, participants="participants.tsv", **FLAT)
    assert "no patients" in message


def test_an_empty_table_and_a_binary_one_are_refused(tmp_path):
    for content in (b"", b"\xff\xfe\x00\x01", b"PK\x03\x04\x00"):
        (tmp_path / "participants.tsv").write_bytes(content)
        complaint(read_participants, cohort="c", root=tmp_path, participants="participants.tsv", **FLAT)


@pytest.mark.parametrize("split", ["", "Train", "val", "training"])
def test_an_unknown_split_is_refused(tmp_path, split):
    message = complaint(read_rows, tmp_path, f"001\t{split}")
    assert f"patient 001 has split '{split}'" in message
    assert "train, validation, test" in message


def test_a_row_that_is_too_short_has_no_split(tmp_path):
    assert "patient 001 has split ''" in complaint(read_rows, tmp_path, "001", "002\ttrain")


@pytest.mark.parametrize(
    "name", ["../001", "a/b", "a\\b", "..", "a..b", ".hidden", "-rf", "a b", "ü1", "sub-", "", "a{b}", "a\nb"]
)
def test_an_id_that_is_no_file_name_is_refused(name):
    rows = [{"participant_id": name, "split": "train"}]
    message = complaint(build_patients, cohort="c", root=Path("r"), rows=rows, where="table", **FLAT)
    assert f"participant_id '{name}' cannot be a file name" in message


@pytest.mark.parametrize("session", ["../1", "", "n/a", "1/2"])
def test_a_session_that_could_leave_the_folder_is_refused(tmp_path, session):
    message = complaint(
        read_rows,
        tmp_path,
        f"001\ttrain\t{session}",
        header="participant_id\tsplit\tsession_id",
        image=BIDS_STEM,
    )
    assert "patient 001 has session" in message


def test_a_duplicate_id_is_refused_also_when_only_one_row_has_the_prefix(tmp_path):
    message = complaint(read_rows, tmp_path, "sub-001\ttrain", "001\ttrain")
    assert "patient 001 occurs 2 times" in message


def test_a_patient_in_two_splits_is_refused(tmp_path):
    message = complaint(read_rows, tmp_path, "001\ttrain", "001\ttest")
    assert "patient 001 is in the splits train and test" in message


def test_a_template_with_an_unknown_column_is_refused_with_the_known_ones(tmp_path):
    message = complaint(read_rows, tmp_path, "001\ttrain", image="{patient}_{run}.nii.gz")
    assert "unknown column 'run'" in message
    assert "participant_id, patient, split" in message


@pytest.mark.parametrize("template", ["{patient.__class__}", "{patient[0]}", "{}", "{patient"])
def test_a_template_that_is_not_plain_column_names_is_refused(tmp_path, template):
    assert "template image" in complaint(read_rows, tmp_path, "001\ttrain", image=template)


def test_a_template_without_the_patient_is_refused(tmp_path):
    message = complaint(read_rows, tmp_path, "001\ttrain", "002\ttrain", image="scan.nii.gz")
    assert "patients 001, 002 share the file" in message


def test_all_problems_of_a_table_are_listed_at_once(tmp_path):
    message = complaint(
        read_rows, tmp_path, "a/b\ttrain", "002\tTest", "003\ttrain", "003\ttest", vessels="{label}"
    )
    for part in ("4 problems", "a/b", "'Test'", "patient 003 is in the splits", "unknown column 'label'"):
        assert part in message


# Cohorts together


def person(name: str, cohort="a", split="train") -> Patient:
    path = Path(cohort) / name
    return Patient(name, cohort, split, path, path, None)


def test_disjoint_cohorts_pass():
    check_cohorts({"a": [person("1"), person("2")], "b": [person("3", "b")]})


def test_one_patient_in_two_cohorts_and_doubles_within_one_are_listed_together():
    cohorts = {
        "a": [person("1"), person("2"), person("2", split="test")],
        "b": [person("1", "b"), person("3", "b"), person("3", "b")],
    }
    message = complaint(check_cohorts, cohorts)
    assert "patient 1 is in the cohorts a and b" in message
    assert "cohort a: patient 2 is in the splits train and test" in message
    assert "cohort b: patient 3 occurs 2 times" in message


def test_a_cohort_without_validation_or_training_patients_is_refused():
    require_splits([person("1"), person("2", split="validation")], "a", ("train", "validation"))
    message = complaint(require_splits, [person("1", split="test")], "a", ("train", "validation"))
    assert "cohort a" in message
    assert "no train patients" in message
    assert "no validation patients" in message


def test_all_missing_files_of_a_cohort_are_listed_at_once(tmp_path):
    patients = [write_patient(tmp_path, name="1"), write_patient(tmp_path, name="2")]
    check_files(patients)
    patients[0].image.unlink()
    patients[1].brain.unlink()
    message = complaint(check_files, patients)
    assert f"patient 1: {patients[0].image} does not exist" in message
    assert f"patient 2: {patients[1].brain} does not exist" in message


def test_a_simulated_patient_whom_the_written_table_lists_otherwise_is_refused(tmp_path):
    table = tmp_path / "participants.tsv"
    table.write_text("participant_id\tsplit\nsub-1\ttrain\n")
    check_listed(person("1"), table)
    for patient in (person("1", split="test"), person("2")):
        message = complaint(check_listed, patient, table)
        for part in (f"patient {patient.id} ", str(table), patient.split, "Remedy"):
            assert part in message


def test_an_output_folder_inside_an_input_folder_is_refused_also_through_a_link(tmp_path):
    root = tmp_path / "cohort"
    root.mkdir()
    (tmp_path / "link").symlink_to(root)
    check_output_outside(tmp_path / "results", {"a": root})
    check_output_outside(tmp_path / "cohort-results", {"a": root})
    for inside in (
        root,
        root / "x/results",
        tmp_path / "link/results",
        root / "../cohort/new",
        tmp_path / "a/../cohort",
    ):
        message = complaint(check_output_outside, inside, {"b": tmp_path / "other", "a": root})
        assert "input folder" in message
        assert "cohort a" in message
    complaint(check_output_outside, root / "results", {"a": tmp_path / "link"})


def test_importing_the_table_module_loads_no_array_library():
    code = (
        "import sys, privessel.cohort.table;"
        "print([m for m in ('numpy', 'nibabel', 'pandas') if m in sys.modules])"
    )
    scripts = Path(__file__).parents[2] / "scripts"
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=scripts, capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"


# The files


def rotated(angle: float, *, order=(0, 1, 2), flips=(1, 1, 1)) -> np.ndarray:
    """An oblique affine with spacing 0.5 x 0.5 x 0.7 mm, its axes permuted and flipped."""
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[1, 0, 0], [0, cos, -sin], [0, sin, cos]]) @ np.array(
        [[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]
    )
    affine = np.eye(4)
    affine[:3, :3] = (turn @ np.diag([0.5, 0.5, 0.7]))[:, order] * flips
    affine[:3, 3] = [-11, 7, 3]
    return affine


def test_a_plain_scan_is_read_as_it_is_and_masked(tmp_path):
    patient = write_patient(tmp_path)
    image, vessels, brain = tubes()
    raw = image + 50
    save_nifti(patient.image, raw, np.diag([0.5, 0.5, 0.7, 1]))
    scan = load_scan(patient, patch_size=32)
    assert scan.image.dtype == np.float32
    np.testing.assert_array_equal(scan.image, np.where(brain, raw, 0))
    np.testing.assert_array_equal(scan.vessels, vessels)
    np.testing.assert_array_equal(scan.brain, brain)
    assert scan.spacing == pytest.approx((0.5, 0.5, 0.7))
    assert scan.warnings == []


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
@pytest.mark.parametrize("flips", [(1, 1, 1), (-1, -1, 1), (1, -1, -1)])
@pytest.mark.parametrize("angle", [0.0, 0.15])
def test_any_orientation_reaches_the_same_canonical_scan_and_goes_back(tmp_path, order, flips, angle):
    image, vessels, brain = tubes()
    affine = rotated(angle)
    # Store the canonical array with its axes permuted and flipped; the affine follows.
    stored = orientations.ornt_transform(
        orientations.axcodes2ornt("RAS"), np.column_stack([np.argsort(order), flips])
    )
    new_affine = affine @ orientations.inv_ornt_aff(stored, image.shape)
    paths = {}
    for role, data in (("image", image), ("vessels", vessels), ("brain", brain)):
        turned = orientations.apply_orientation(data, stored)
        paths[role] = save_nifti(tmp_path / f"{role}.nii.gz", turned, new_affine)
    patient = Patient("1", "c", "test", **paths)
    scan = load_scan(patient, patch_size=32)
    np.testing.assert_array_equal(scan.image, image)
    np.testing.assert_array_equal(scan.vessels, vessels)
    assert scan.spacing == pytest.approx((0.5, 0.5, 0.7), abs=1e-5)
    back = restore(scan.vessels, patient.vessels)
    np.testing.assert_array_equal(np.asarray(back.dataobj), np.asarray(nib.load(patient.vessels).dataobj))
    assert back.affine == pytest.approx(nib.load(patient.image).affine, abs=1e-6)


def test_a_restored_mask_keeps_the_reference_header_and_is_plain_bytes(tmp_path):
    patient = write_patient(
        tmp_path, affine=rotated(0.2, order=(1, 0, 2), flips=(-1, 1, 1)), shape=(44, 40, 16)
    )
    original = nib.load(patient.image)
    header = original.header.copy()
    header.set_qform(original.affine, code=1)
    header.set_sform(original.affine, code=2)
    header["descrip"] = b"TOF"
    header["cal_max"] = 900
    header.set_data_dtype(np.int16)
    stored = np.asarray(original.dataobj)[..., None].astype(np.int16)
    image = nib.Nifti1Image(stored, original.affine, header)
    image.header.set_slope_inter(2, 0)
    nib.save(image, patient.image)
    assert nib.load(patient.image).dataobj.slope == 2
    scan = load_scan(patient, patch_size=32)
    path = tmp_path / "prediction.nii.gz"
    nib.save(restore(scan.vessels, patient.image), path)
    saved = nib.load(path)
    assert saved.shape == original.shape
    assert saved.get_data_dtype() == np.uint8
    assert saved.header["descrip"].tobytes().startswith(b"TOF")
    assert (int(saved.header["qform_code"]), int(saved.header["sform_code"])) == (1, 2)
    assert float(saved.header["cal_max"]) == 1
    np.testing.assert_array_equal(np.asarray(saved.dataobj), np.asarray(nib.load(patient.vessels).dataobj))
    with pytest.raises(ValueError, match="does not belong"):
        restore(scan.vessels[:-1], patient.image)


def test_a_saved_prediction_is_read_back_in_the_canonical_frame_also_when_empty(tmp_path):
    patient = write_patient(tmp_path, affine=rotated(0.1, flips=(-1, 1, -1)))
    scan = load_scan(patient, patch_size=32)
    path = tmp_path / "prediction.nii.gz"
    for mask in (scan.vessels, scan.vessels & False):
        nib.save(restore(mask, patient.image), path)
        np.testing.assert_array_equal(load_mask(path), mask)
    path.write_bytes(b"")
    assert str(path) in complaint(load_mask, path)


def test_the_check_report_names_what_was_read(tmp_path):
    patient = write_patient(tmp_path, affine=np.diag([-0.5, -0.5, 0.7, 1]))
    scan = load_scan(patient, patch_size=32)
    record = report(patient, scan)
    _, vessels, brain = tubes()
    assert record["shape"] == [40, 44, 16]
    assert record["spacing_mm"] == pytest.approx([0.5, 0.5, 0.7])
    assert record["orientation"] == "LPS"
    assert record["vessel_fraction"] == pytest.approx(vessels.sum() / brain.sum())
    assert record["sha256"]["vessels"] == hashlib.sha256(patient.vessels.read_bytes()).hexdigest()
    assert set(record["sha256"]) == {"image", "vessels", "brain"}
    assert record["warnings"] == []


def test_the_same_scan_has_the_same_digest_of_voxels_under_any_name_orientation_and_brain_mask(tmp_path):
    patient = write_patient(tmp_path / "one")
    turned = [nib.load(path).as_reoriented(np.array([[1, -1], [0, 1], [2, -1]])) for path in patient.files]
    digests = {report(patient, load_scan(patient, patch_size=32))["voxels"]}
    patient = write_patient(tmp_path / "two", name="other")
    for image, path in zip(turned, patient.files, strict=True):
        nib.save(image, path)
    digests.add(report(patient, load_scan(patient, patch_size=32))["voxels"])
    whole = replace(patient, brain=None)
    digests.add(report(whole, load_scan(whole, patch_size=32))["voxels"])
    assert len(digests) == 1
    changed = nib.load(patient.image)
    voxels = np.asanyarray(changed.dataobj).copy()
    voxels[3, 3, 3] += 1
    nib.save(nib.Nifti1Image(voxels, changed.affine), patient.image)
    assert report(patient, load_scan(patient, patch_size=32))["voxels"] not in digests


def test_the_list_of_checked_patients_gives_their_digests_by_id(tmp_path):
    table = tmp_path / "train.csv"
    table.write_text("patient,cohort,voxels\n007,a,ab\n1e5,a,cd\n")
    assert read_voxels(table) == {"007": "ab", "1e5": "cd"}


def spoil_missing(patient, data, affine):
    patient.vessels.unlink()


def spoil_empty_file(patient, data, affine):
    patient.vessels.write_bytes(b"")


def spoil_truncated(patient, data, affine):
    patient.vessels.write_bytes(patient.vessels.read_bytes()[:-200])


def spoil_truncated_in_its_checksum(patient, data, affine):
    patient.vessels.write_bytes(patient.vessels.read_bytes()[:-4])


def spoil_truncated_inside(patient, data, affine):
    patient.vessels.write_bytes(gzip.compress(gzip.decompress(patient.vessels.read_bytes())[:-100]))


def spoil_header_only(patient, data, affine):
    patient.vessels.write_bytes(gzip.compress(gzip.decompress(patient.vessels.read_bytes())[:100]))


def spoil_text(patient, data, affine):
    patient.vessels.write_text("not an image" * 100)


def spoil_4d(patient, data, affine):
    save_nifti(patient.vessels, np.stack([data, data], axis=-1), affine)


def spoil_2d(patient, data, affine):
    save_nifti(patient.vessels, data[:, :, 0], affine)


def spoil_nan(patient, data, affine):
    soft = data.astype(np.float32)
    soft[1, 2, 3] = np.nan
    save_nifti(patient.vessels, soft, affine)


def spoil_shape(patient, data, affine):
    save_nifti(patient.vessels, data[:, :, 1:], affine)


def spoil_affine(patient, data, affine):
    moved = affine.copy()
    moved[0, 3] += 0.25
    save_nifti(patient.vessels, data, moved)


def spoil_255(patient, data, affine):
    save_nifti(patient.vessels, (data * 255).astype(np.uint8), affine)


def spoil_two_labels(patient, data, affine):
    save_nifti(
        patient.vessels,
        data.astype(np.uint8) * (1 + (np.indices(data.shape)[0] > 20)).astype(np.uint8),
        affine,
    )


def spoil_soft(patient, data, affine):
    save_nifti(patient.vessels, data.astype(np.float32) * 0.5, affine)


def spoil_negative(patient, data, affine):
    save_nifti(patient.vessels, -data.astype(np.int16), affine)


def spoil_empty_mask(patient, data, affine):
    save_nifti(patient.vessels, data & False, affine)


def spoil_affine_singular(patient, data, affine):
    image = nib.Nifti1Image(data.astype(np.uint8), affine)
    image.header["sform_code"], image.header["srow_x"] = 2, 0
    image.header["qform_code"] = 0
    raw = image.header.binaryblock + b"\0" * 4 + np.asarray(image.dataobj).tobytes(order="F")
    patient.vessels.write_bytes(gzip.compress(raw))


def spoil_colour(patient, data, affine):
    colour = np.zeros(data.shape, dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    nib.save(nib.Nifti1Image(colour, affine), patient.vessels)


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (spoil_missing, "does not exist"),
        (spoil_empty_file, "empty, truncated or not NIfTI"),
        (spoil_truncated, "empty, truncated or not NIfTI"),
        (spoil_truncated_in_its_checksum, "empty, truncated or not NIfTI"),
        (spoil_truncated_inside, "empty, truncated or not NIfTI"),
        (spoil_header_only, "empty, truncated or not NIfTI"),
        (spoil_text, "empty, truncated or not NIfTI"),
        (spoil_4d, "has 4 dimensions (40, 44, 16, 2)"),
        (spoil_2d, "has 2 dimensions"),
        (spoil_nan, "nan"),
        (spoil_shape, "has shape (40, 44, 15)"),
        (spoil_affine, "a corner lies 0.50 voxels away"),
        (spoil_255, "has values {0, 255}; expected {0, 1}. Remedy: divide the mask by 255"),
        (spoil_two_labels, "has values {0, 1, 2}; expected {0, 1}"),
        (spoil_soft, "has values {0, 0.5}; expected {0, 1}. Remedy: threshold the mask"),
        (spoil_negative, "has values {-1, 0}"),
        (spoil_empty_mask, "is empty. Remedy"),
        (spoil_affine_singular, "cannot be inverted"),
        (spoil_colour, "one grey value"),
    ],
)
@pytest.mark.parametrize("role", ["vessels", "brain"])
def test_a_bad_mask_is_refused_naming_patient_file_and_remedy(tmp_path, spoil, expected, role):
    patient = write_patient(tmp_path)
    affine = np.diag([0.5, 0.5, 0.7, 1])
    _, vessels, brain = tubes()
    # The spoilers know one path: hand them the mask to spoil as 'vessels'.
    target = replace(patient, vessels=patient.vessels if role == "vessels" else patient.brain)
    spoil(target, vessels if role == "vessels" else brain, affine)
    message = complaint(load_scan, patient, patch_size=32)
    assert "patient 017 (cohort pegasus): " in message
    assert f"{'vessel' if role == 'vessels' else 'brain'} mask {target.vessels}" in message
    assert expected in message
    assert "Remedy: " in message


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_an_image_with_nan_or_infinity_is_refused(tmp_path, value):
    patient = write_patient(tmp_path)
    image = tubes()[0]
    image[0, 0, :2] = value
    save_nifti(patient.image, image, np.diag([0.5, 0.5, 0.7, 1]))
    message = complaint(load_scan, patient, patch_size=32)
    assert f"image {patient.image} has 2 NaN or infinite voxels" in message


def test_an_image_of_zeros_is_refused(tmp_path):
    patient = write_patient(tmp_path)
    save_nifti(patient.image, tubes()[0] * 0, np.diag([0.5, 0.5, 0.7, 1]))
    assert "zero everywhere" in complaint(load_scan, patient, patch_size=32)


def test_a_volume_smaller_than_a_patch_in_plane_is_refused_but_few_slices_are_not(tmp_path):
    patient = write_patient(tmp_path)
    load_scan(patient, patch_size=40)
    message = complaint(load_scan, patient, patch_size=41)
    assert "40 x 44 voxels" in message
    assert "patch of 41 x 41" in message


def test_all_faulty_files_of_a_patient_are_listed_at_once(tmp_path):
    patient = write_patient(tmp_path)
    patient.image.write_bytes(b"")
    patient.brain.unlink()
    spoil_255(patient, tubes()[1], np.eye(4))
    message = complaint(load_scan, patient, patch_size=32)
    assert message.count("patient 017 (cohort pegasus): ") == 3
    for path in (patient.image, patient.vessels, patient.brain):
        assert str(path) in message


def test_a_trailing_axis_of_one_a_second_version_and_plain_nii_are_read(tmp_path):
    patient = write_patient(tmp_path)
    image, vessels, _ = tubes()
    affine = np.diag([0.5, 0.5, 0.7, 1])
    save_nifti(patient.image, image[..., None, None], affine)
    nib.save(nib.Nifti2Image(vessels.astype(np.uint8), affine), tmp_path / "label.nii")
    scan = load_scan(replace(patient, vessels=tmp_path / "label.nii"), patch_size=32)
    np.testing.assert_array_equal(scan.image, image)
    np.testing.assert_array_equal(scan.vessels, vessels)


def test_a_mask_stored_with_a_scale_factor_and_a_rounded_affine_is_read(tmp_path):
    patient = write_patient(tmp_path)
    _, vessels, _ = tubes()
    affine = np.diag([0.5, 0.5, 0.7, 1])
    affine[0, 3] += 1e-4
    scaled = nib.Nifti1Image(vessels.astype(np.float64), affine)
    scaled.set_data_dtype(np.uint8)
    nib.save(scaled, patient.vessels)
    assert nib.load(patient.vessels).dataobj.slope != 1
    np.testing.assert_array_equal(load_scan(patient, patch_size=32).vessels, vessels)


def test_an_image_with_a_scale_factor_is_read_in_its_units(tmp_path):
    patient = write_patient(tmp_path)
    image, _, brain = tubes()
    scaled = nib.Nifti1Image(np.round(image / 2).astype(np.int16), np.diag([0.5, 0.5, 0.7, 1]))
    scaled.header.set_slope_inter(2, 0)
    nib.save(scaled, patient.image)
    np.testing.assert_allclose(load_scan(patient, patch_size=32).image, image, atol=1.01)


def test_vessels_outside_the_brain_give_a_warning_with_their_share(tmp_path):
    patient = write_patient(tmp_path)
    _, vessels, brain = tubes()
    x = np.flatnonzero(vessels.any(axis=(1, 2)))[0]
    brain[: x + 3] = False
    save_nifti(patient.brain, brain, np.diag([0.5, 0.5, 0.7, 1]))
    scan = load_scan(patient, patch_size=32)
    share = (vessels & ~brain).sum() / vessels.sum()
    assert 0 < share < 0.5
    (warning,) = scan.warnings
    assert f"{share:.2%}" in warning
    assert "patient 017" in warning
    np.testing.assert_array_equal(scan.vessels, vessels)
    assert report(patient, scan)["warnings"] == [warning]


def test_masks_that_do_not_meet_are_refused(tmp_path):
    patient = write_patient(tmp_path)
    _, vessels, brain = tubes()
    save_nifti(patient.brain, brain & ~vessels, np.diag([0.5, 0.5, 0.7, 1]))
    assert "no voxel inside the brain mask" in complaint(load_scan, patient, patch_size=32)


def test_without_a_mask_file_the_brain_is_where_the_image_is_not_zero(tmp_path):
    patient = replace(write_patient(tmp_path), brain=None)
    image, _, brain = tubes()
    scan = load_scan(patient, patch_size=32)
    np.testing.assert_array_equal(scan.brain, brain)
    assert scan.warnings == []
    assert "brain" not in report(patient, scan)["sha256"]
    save_nifti(patient.image, image + 1, np.diag([0.5, 0.5, 0.7, 1]))
    (warning,) = load_scan(patient, patch_size=32).warnings
    assert "100%" in warning
    assert "brain mask" in warning
