import errno
import subprocess
import sys
from pathlib import Path

import pytest
from volumes import write_patient

from privessel.cohort.intake import check_listed, read_voxels
from privessel.cohort.table import (
    Patient,
    build_patients,
    check_cohorts,
    check_files,
    read_participants,
    require_splits,
)
from privessel.errors import CohortError, DamagedError
from privessel.files.source import check_output_outside

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


def test_a_row_that_is_too_short_is_named_by_its_line(tmp_path):
    message = complaint(read_rows, tmp_path, "001", "002\ttrain")
    assert "cohort pegasus" in message
    assert "line 2 has 1" in message


def test_an_open_quote_in_a_free_text_loses_no_patient(tmp_path):
    rows = ['sub-01\ttrain\t"left M1', "sub-02\ttrain\tok", 'sub-03\ttest\tcheck"']
    found = read_rows(tmp_path, *rows, header="participant_id\tsplit\tcomment")
    assert [patient.id for patient in found] == ["01", "02", "03"]


@pytest.mark.parametrize("name", ["NA", "nan", "001", "True", "1e5", "null"])
def test_an_id_stays_what_it_is_whatever_word_it_is(tmp_path, name):
    assert read_rows(tmp_path, f"sub-{name}\ttrain")[0].id == name


def test_a_broken_link_says_how_to_fetch_its_content(tmp_path):
    patient = write_patient(tmp_path, name="1")
    patient.image.unlink()
    patient.image.symlink_to(".git/annex/objects/x")
    assert f"datalad get '{patient.image}'" in complaint(check_files, [patient])
    (tmp_path / "participants.tsv").symlink_to(".git/annex/objects/y")
    message = complaint(read_participants, cohort="c", root=tmp_path, participants="participants.tsv", **FLAT)
    assert "datalad get" in message


def test_a_table_and_scans_that_must_not_be_read_are_named_with_a_remedy(tmp_path, monkeypatch):
    def refuse(path, **_):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    patient = write_patient(tmp_path, name="1")
    monkeypatch.setattr(Path, "stat", refuse)
    table = complaint(read_participants, cohort="c", root=tmp_path, participants="participants.tsv", **FLAT)
    files = complaint(check_files, [patient])
    monkeypatch.undo()
    assert f"cohort c: {tmp_path / 'participants.tsv'} cannot be read (Permission denied). Remedy: " in table
    for path in patient.files:
        assert f"{path} cannot be read (Permission denied). Remedy: " in files


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
    assert f"patient 1 (cohort pegasus): {patients[0].image} does not exist" in message
    assert f"patient 2 (cohort pegasus): {patients[1].brain} does not exist" in message


def test_a_simulated_patient_whom_the_written_table_lists_otherwise_is_refused(tmp_path):
    table = tmp_path / "participants.tsv"
    table.write_text("participant_id\tsplit\nsub-1\ttrain\n")
    check_listed(person("1"), table)
    for patient in (person("1", split="test"), person("2")):
        message = complaint(check_listed, patient, table)
        for part in (f"patient {patient.id} ", str(table), patient.split, "Remedy"):
            assert part in message


def test_a_damaged_table_of_simulated_patients_is_named_with_the_remedy(tmp_path):
    table = tmp_path / "participants.tsv"
    for content in ("participant_id\nsub-1\n", "participant_id\tsplit\nsub-1\n", ""):
        table.write_text(content)
        with pytest.raises(DamagedError, match=f"{table} .* Remedy: remove it and run"):
            check_listed(person("1"), table)


def test_the_list_of_checked_patients_gives_their_digests_by_id(tmp_path):
    table = tmp_path / "train.csv"
    table.write_text("patient,cohort,voxels\n007,a,ab\n1e5,a,cd\n")
    assert read_voxels(table) == {"007": "ab", "1e5": "cd"}


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
