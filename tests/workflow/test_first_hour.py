"""A user's first commands: everything is checked before anything ends, and nothing trains on faulty scans."""

import subprocess
import sys

import numpy as np
import pytest
import yaml
from conftest import count_jobs
from volumes import save_nifti, write_patient

SPLITS = {"p1": "train", "p2": "train", "p3": "validation", "p4": "test"}
AFFINE = np.diag([0.5, 0.5, 0.7, 1])


@pytest.fixture
def scans(tmp_path):
    """Four patients, of whom p1 has a mask of {0, 255} and p4 an image that was cut short."""
    root = tmp_path / "scans"
    patients = {
        name: write_patient(root, name=name, shape=(48, 56, 16), seed=k) for k, name in enumerate(SPLITS)
    }
    mask = np.zeros((48, 56, 16), np.uint8)
    mask[20:24, 20:24, 4:9] = 255
    save_nifti(patients["p1"].vessels, mask, AFFINE)
    whole = patients["p4"].image.read_bytes()
    patients["p4"].image.write_bytes(whole[: len(whole) // 2])
    rows = ["participant_id\tsplit", *(f"sub-{name}\t{split}" for name, split in SPLITS.items())]
    (root / "participants.tsv").write_text("\n".join(rows) + "\n")
    return root


@pytest.fixture
def study(workflow, scans):
    cohort = {"root": str(scans), "public": False, "image": "{patient}_img.nii.gz"}
    cohort |= {"vessels": "{patient}_label.nii.gz", "brain": "{patient}_mask.nii.gz"}
    mine = {
        "study": "mine",
        "cohorts": {"patients": cohort},
        "train_cohort": "patients",
        "test_cohorts": ["patients"],
        "transfer": {"patients": []},
        "levels": ["inf"],
        "shuffled": [],
        "export": [],
        "epoch_study": {"levels": [], "epochs": []},
    }
    (workflow.folder / "mine.yaml").write_text(yaml.safe_dump(mine))
    arguments = ["--configfile", "tests/config.yaml", "mine.yaml", "--cores", 1]
    return lambda *targets: workflow.run(*arguments, *targets)


def test_intake_checks_all_patients_and_nothing_trains_until_all_can_be_used(workflow, study, scans):
    checked = workflow.folder / "results/mine/cohort"
    asked = study("intake")
    assert asked.returncode != 0
    assert "2 of 4 patients cannot be used" in asked.stdout
    assert "divide the mask by 255" in asked.stdout
    assert "Traceback" not in asked.stdout
    assert asked.stdout.count("Note: cohort patients has 1 test patient") == 1  # not once for every job
    page = (checked / "index.html").read_text()
    assert page.count('<tr class="failed">') == 2
    assert sorted(path.stem for path in (checked / "patients").glob("*.json")) == sorted(SPLITS)
    assert not (workflow.folder / "data").exists()  # no public phantom is simulated for it

    gan = workflow.folder / "results/mine/gan"
    history = "results/mine/gan/wgan/inf/run-1/history.csv"
    refused = study(history)
    assert refused.returncode != 0
    assert "p1_label.nii.gz has values {0, 255}" in refused.stdout
    assert "Traceback" not in refused.stdout
    assert not list(gan.rglob("*.pt"))

    for seed, name in enumerate(("p1", "p4"), start=7):  # one scan under two ids would be refused
        write_patient(scans, name=name, shape=(48, 56, 16), seed=seed)
    good = study("intake")
    assert good.returncode == 0, good.stdout[-3000:]
    assert "4 patients checked: 4 can be used" in good.stdout
    assert "Next: " in good.stdout


def test_the_first_commands_of_a_new_user_run_as_they_are_printed(workflow, tmp_path):
    root = tmp_path / "my scans"
    for number in range(1, 4):
        write_patient(root, name=f"{number:03d}", shape=(112, 112, 12), seed=number)
    command = [sys.executable, "scripts/start_study.py", str(root)]
    started = subprocess.run(command, cwd=workflow.folder, text=True, capture_output=True, check=True).stdout
    assert "Layout: plain. 3 patients: 1 train, 1 validation, 1 test." in started
    following = started.split("Next: snakemake ")[1].split("  #")[0].split()
    checked = workflow.run(*following)
    assert checked.returncode == 0, checked.stdout[-3000:]
    assert "3 patients checked: 3 can be used" in checked.stdout
    planned = workflow.run("--configfile", "mine.yaml", "-n", "--quiet", "host")
    assert planned.returncode == 0, planned.stdout[-3000:]
    assert count_jobs(planned.stdout)["gan"] == 4  # level inf, and three architectures beside it
    assert "1 test patient" in planned.stdout
