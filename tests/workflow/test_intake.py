"""Intake of a cohort of one's own: all patients are checked, then all faults are told before any training."""

import gzip
import json
import shutil

import yaml
from conftest import Workflow
from hospital import PATIENTS, scans  # noqa: F401, pytest finds fixtures by name

LISTS = [f"results/mine/cohort/patients/{split}.csv" for split in ("train", "validation", "test")]


def files_of(root, patient):
    return sorted(root.rglob(f"sub-{patient}_*.nii.gz"))


def test_every_patient_is_checked_before_faulty_ones_are_refused_and_one_scan_under_two_ids_is_found(
    scans,  # noqa: F811
    tmp_path,
):
    root = tmp_path / "scans"
    shutil.copytree(scans, root)
    flow = Workflow.install(tmp_path / "study")
    config = {
        "study": "mine",
        "cohorts": {"patients": {"root": str(root), "public": False}},
        "train_cohort": "patients",
        "test_cohorts": ["patients"],
        "levels": ["inf"],
        "shuffled": [],
        "epoch_study": {"epochs": [], "levels": []},
        "transfer": {"patients": [], "sources": []},
        "export": [],
    }
    (flow.folder / "mine.yaml").write_text(yaml.safe_dump(config))
    arguments = ["--configfile", "tests/config.yaml", "mine.yaml", "--cores", 2]

    (image,) = (path for path in files_of(root, "a001") if path.name.endswith("_angio.nii.gz"))
    whole = image.read_bytes()
    image.write_bytes(gzip.decompress(whole)[:-1000])  # cut short, and called .nii.gz
    for source, target in zip(files_of(root, "a003"), files_of(root, "a004"), strict=True):
        shutil.copy(source, target)
    refused = flow.run(*arguments, "intake")
    assert refused.returncode != 0
    assert f"patient a001 (cohort patients): image {image} is empty, truncated or not NIfTI" in refused.stdout
    assert "patients a003 (validation, cohort patients) and a004 (test, cohort patients)" in refused.stdout
    assert "3 of 4 patients cannot be used" in refused.stdout
    assert "Traceback" not in refused.stdout
    reports = {
        patient: json.loads((flow.folder / f"results/mine/cohort/patients/{patient}.json").read_text())
        for patient in PATIENTS
    }
    assert [patient for patient, report in reports.items() if report["problems"]] == ["a001"]
    page = (flow.folder / "results/mine/cohort/index.html").read_text()
    assert page.count('<tr class="failed">') == 3
    for split, words in (("train", "truncated"), ("test", "have the same scan")):
        path = f"results/mine/cohort/patients/{split}.csv"
        stopped = flow.run(*arguments, path)
        assert words in stopped.stdout
        assert not (flow.folder / path).exists()

    image.write_bytes(gzip.decompress(whole))
    for source, target in zip(files_of(scans, "a004"), files_of(root, "a004"), strict=True):
        shutil.copy(source, target)
    accepted = flow.run(*arguments, "intake", *LISTS)
    assert accepted.returncode == 0, accepted.stdout[-4000:]
    header = (flow.folder / LISTS[0]).read_text().splitlines()[0]
    assert "voxels" in header.split(",")
    assert "print" not in header.split(",")
