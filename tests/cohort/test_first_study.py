"""The first study of a folder: a config and a table that the workflow takes, and nothing overwritten."""

import csv

import numpy as np
import pytest
import yaml
from study.studies import PAPER, make
from volumes import save_nifti

from privessel.cohort.first_study import split_patients, start_study
from privessel.errors import CohortError

NUMBERS = range(1, 8)
BIDS = "sub-{0:02d}/anat/sub-{0:02d}"
LAYOUTS = {
    "BIDS": [f"{BIDS}_acq-TOF_angio", f"derivatives/vessels/{BIDS}_acq-TOF_desc-vessels_mask",
             f"derivatives/brain/{BIDS}_acq-TOF_desc-brain_mask", f"{BIDS}_T1w"],
    "IXI": ["IXI00{0}-Guys-082{0}-MRA", "labels/IXI00{0}-Guys-082{0}-MRA"],
    "TopCoW": ["imagesTr/topcow_mr_00{0}_0000", "cow_seg_labelsTr/topcow_mr_00{0}",
               "imagesTr/topcow_ct_00{0}_0000"],
    "OASIS-3": ["OAS3000{0}_MR_d0{0}57/anat{0}/sub-OAS3000{0}_ses-d0{0}57_acq-TOF_angio",
                "derivatives/vessels/sub-OAS3000{0}/ses-d0{0}57/sub-OAS3000{0}_ses-d0{0}57_desc-vessels_mask"],
    "COSTA": ["ADAM/imagesTr/ADAM_{0}", "ADAM/labelsTr/ADAM_{0}"],
    "plain": ["{0:03d}_img", "{0:03d}_label", "{0:03d}_mask"],
}  # fmt: skip


def write_layout(root, names):
    for name in names:
        for number in NUMBERS:
            save_nifti(root / f"{name.format(number)}.nii.gz", np.ones((4, 4, 4), np.uint8), np.eye(4))
    return root


def rows(table):
    return list(csv.DictReader(table.read_text().splitlines(), delimiter="\t"))


@pytest.mark.parametrize("kind", LAYOUTS)
def test_what_was_written_is_a_study_of_files_that_exist(tmp_path, kind):
    scans = write_layout(tmp_path / "scans", LAYOUTS[kind])
    made = start_study(scans, where=tmp_path)
    assert made.kind == kind
    assert made.table == scans / "participants.tsv"
    study = make(*PAPER, **yaml.safe_load(made.config.read_text()))  # raises where a file is missing
    counts = {split: study.cohorts.count("scans", split) for split in ("train", "validation", "test")}
    assert counts == {"train": 5, "validation": 1, "test": 1}
    assert len(rows(made.table)) == 7
    brains = {len(patient.files) for patient in study.cohorts.patients["scans"]}
    assert brains == {3 if kind in ("BIDS", "plain") else 2}
    assert len(made.config.read_text().splitlines()) < 20


def test_nothing_is_overwritten_and_errors_say_what_to_type_next(tmp_path):
    scans = write_layout(tmp_path / "scans", LAYOUTS["plain"])
    first = start_study(scans, where=tmp_path)
    before = {path: path.read_bytes() for path in (first.config, first.table)}
    with pytest.raises(CohortError, match=r"mine.yaml exists.*Next: .* --study another"):
        start_study(scans, where=tmp_path)
    start_study(scans, study="another", where=tmp_path, shares=(1, 1, 8))
    assert {path: path.read_bytes() for path in before} == before
    with pytest.raises(CohortError, match="is no folder.*Next: "):
        start_study(tmp_path / "nowhere", study="b", where=tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(CohortError, match=r"no NIfTI file.*Next: "):
        start_study(tmp_path / "empty", study="b", where=tmp_path)
    assert not (tmp_path / "b.yaml").exists()


def test_a_table_that_is_there_keeps_its_split_or_gets_another_beside_the_config(tmp_path):
    scans = write_layout(tmp_path / "scans", LAYOUTS["BIDS"])
    table = scans / "participants.tsv"
    own = "participant_id\tage\n" + "".join(f"sub-{number:02d}\t50\n" for number in NUMBERS)
    table.write_text(own)
    made = start_study(scans, where=tmp_path)
    assert made.table == tmp_path / "mine-participants.tsv"
    assert table.read_text() == own
    make(*PAPER, **yaml.safe_load(made.config.read_text()))
    table.write_text("participant_id\tsplit\nsub-01\n")
    with pytest.raises(CohortError, match=r"line 2 has 1.*Next: "):
        start_study(scans, study="broken", where=tmp_path)

    splits = ["train", "train", "train", "test", "test", "validation"]  # the last patient has no row
    lines = [f"sub-{k:02d}\t{split}\n" for k, split in zip(NUMBERS, splits, strict=False)]
    table.write_text("participant_id\tsplit\n" + "".join(lines) + "sub-99\ttest\n")
    kept = start_study(scans, study="kept", where=tmp_path)
    assert kept.table == tmp_path / "kept-participants.tsv"  # the folder's own lists one patient too many
    assert kept.patients == {f"{k:02d}": split for k, split in zip(NUMBERS, splits, strict=False)}
    assert any("left out" in remark and "07" in remark for remark in kept.remarks)


@pytest.mark.parametrize("word", ["", "n/a", "none", "Train"])
def test_a_table_with_a_split_for_only_some_patients_is_refused_with_a_remedy(tmp_path, word):
    scans = write_layout(tmp_path / "scans", LAYOUTS["BIDS"])
    table = scans / "participants.tsv"
    splits = ["train", "train", "validation", "test", "test", "validation", word]
    lines = [f"sub-{k:02d}\t50\t{split}\n" for k, split in zip(NUMBERS, splits, strict=True)]
    table.write_text("participant_id\tage\tsplit\n" + "".join(lines))
    with pytest.raises(
        CohortError, match=r"participants\.tsv has .* 1 of 7 patients, such as 07 .*Next: "
    ) as told:
        start_study(scans, where=tmp_path)
    assert str(told.value).endswith(f"python scripts/start_study.py {scans}")
    assert not (tmp_path / "mine.yaml").exists()


def test_an_empty_column_of_splits_is_as_none(tmp_path):
    scans = write_layout(tmp_path / "scans", LAYOUTS["BIDS"])
    lines = [f"sub-{k:02d}\tn/a\n" for k in NUMBERS]
    (scans / "participants.tsv").write_text("participant_id\tsplit\n" + "".join(lines))
    assert set(start_study(scans, where=tmp_path).patients.values()) == {"train", "validation", "test"}


def test_a_table_that_says_all_that_is_needed_is_used_as_it_is(tmp_path):
    scans = write_layout(tmp_path / "scans", LAYOUTS["plain"])
    splits = ["train", "train", "train", "test", "test", "validation", "test"]
    lines = [f"sub-{k:03d}\t50\t{split}\n" for k, split in zip(NUMBERS, splits, strict=True)]
    (scans / "participants.tsv").write_text("participant_id\tage\tsplit\n" + "".join(lines))
    made = start_study(scans, where=tmp_path)
    assert made.table == scans / "participants.tsv"
    assert "participants:" not in made.config.read_text()
    assert list(made.patients.values()) == splits


def test_scans_without_masks_are_told_where_masks_are_asked_for(tmp_path):
    scans = write_layout(tmp_path / "scans", LAYOUTS["IXI"][:1])
    made = start_study(scans, where=tmp_path)
    assert any("no vessel masks were found" in remark for remark in made.remarks)
    assert "NOT FOUND" in made.config.read_text()
    with pytest.raises(CohortError, match="vessels/IXI001-Guys-0821"):
        make(*PAPER, **yaml.safe_load(made.config.read_text()))


def test_two_patients_are_too_few(tmp_path):
    for number in (1, 2):
        for end in ("img", "label"):
            save_nifti(tmp_path / f"scans/{number}_{end}.nii.gz", np.ones((4, 4, 4), np.uint8), np.eye(4))
    with pytest.raises(CohortError, match="2 patients .* at least 3.*Next: "):
        start_study(tmp_path / "scans", where=tmp_path)


@pytest.mark.parametrize("count", [3, 4, 7, 66, 100])
def test_a_split_has_its_shares_is_seeded_and_ignores_the_order(count):
    ids = [f"p{number}" for number in range(count)]
    split = split_patients(ids, shares=(60, 20, 20), seed=1)
    assert split == split_patients(ids[::-1], shares=(0.6, 0.2, 0.2), seed=1)
    assert set(split) == set(ids)
    counts = [list(split.values()).count(name) for name in ("train", "validation", "test")]
    assert min(counts) >= 1
    for found, share in zip(counts, (0.6, 0.2, 0.2), strict=True):
        assert abs(found - share * count) <= 1.2
    if count > 6:
        assert split != split_patients(ids, shares=(60, 20, 20), seed=2)


@pytest.mark.parametrize(("count", "images"), [(7, 1000), (100, 14000)])
def test_no_more_images_are_compared_than_patients_give_and_than_the_paper_compares(tmp_path, count, images):
    for number in range(count):
        for end in ("img", "label"):
            path = tmp_path / f"scans/{number:03d}_{end}.nii.gz"
            path.parent.mkdir(exist_ok=True)
            path.touch()
    made = start_study(tmp_path / "scans", where=tmp_path)
    assert yaml.safe_load(made.config.read_text())["quality"] == {"frechet_images": images}
