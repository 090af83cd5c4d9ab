"""Scans, configs and folders as users have them, through whole calls of Snakemake."""

import json
import os
import shutil
from hashlib import sha256

import pytest
import yaml
from conftest import count_jobs

from privessel.phantom import simulate, write_patient, write_table

PATIENTS = {"NA": "train", "001": "validation", "1e5": "test"}  # names that readers of tables take for others
PATCHES = [f"results/own/patches/own/{patient}.npz" for patient in PATIENTS]


def write_scans(root, *, seed=0):
    write_table(root, PATIENTS, name="own")
    for number, patient in enumerate(PATIENTS):
        phantom = simulate(seed=seed + number, shape=(80, 96, 24), spacing=(1.0, 1.0, 1.4), parameters="a")
        write_patient(root, patient, phantom, seed=number)


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    root = tmp_path_factory.mktemp("scans")
    write_scans(root)
    return root


def configure(folder, root, **changes):
    given = {
        "study": "own",
        "cohorts": {"own": {"root": str(root), "public": True}},
        "train_cohort": "own",
        "test_cohorts": ["own"],
        "public_baselines": [],
        "transfer": {"patients": []},
        "quality": {"frechet_images": 12},
    }
    (folder / "mine.yaml").write_text(yaml.safe_dump(given | changes))


def run(workflow, *arguments):
    return workflow.run("--configfile", "tests/config.yaml", "mine.yaml", "--cores", 2, *arguments)


def done(result):
    assert result.returncode == 0, result.stdout[-3000:]
    return result.stdout


def left(workflow):
    """The jobs that a dry run lists for everything up to the patches."""
    return count_jobs(done(run(workflow, "-n", "-q", "host", "--", *PATCHES)))


def test_contents_of_scans_decide_and_not_their_times(workflow, scans, tmp_path):
    root = shutil.copytree(scans, tmp_path / "own")
    configure(workflow.folder, root)
    done(run(workflow, *PATCHES))
    assert left(workflow) == {}

    files = list(root.rglob("*.nii.gz"))
    assert len(files) == 9
    for seconds in (-1e6, 1e6):  # a copy without times, another disk, a restored archive
        for file in files:
            os.utime(file, (file.stat().st_atime + seconds,) * 2)
        assert left(workflow) == {}

    (mask,) = root.rglob("sub-1e5_*vessels_mask.nii.gz")
    old = mask.stat()
    write_scans(tmp_path / "corrected", seed=7)
    (corrected,) = (tmp_path / "corrected").rglob("sub-1e5_*vessels_mask.nii.gz")
    shutil.copy(corrected, mask)
    os.utime(mask, (old.st_atime - 86400,) * 2)
    assert left(workflow)["patches"] >= 1
    done(run(workflow, *PATCHES))
    assert left(workflow) == {}
    report = json.loads((workflow.folder / "results/own/cohort/own/1e5.json").read_text())
    assert report["sha256"]["vessels"] == sha256(mask.read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ["{2026} scans", 'it\'s "ü" 血 $HOME & co', "a\\b;c *", "~tilde"])
def test_any_folder_may_hold_a_cohort(workflow, scans, tmp_path, name):
    root = tmp_path / name
    root.symlink_to(scans)
    configure(workflow.folder, root)
    done(run(workflow, PATCHES[0]))


def test_a_tilde_is_the_home_folder(workflow, scans, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(scans.parent))
    configure(workflow.folder, f"~/{scans.name}")
    assert left(workflow)["patches"] == len(PATIENTS)


def test_the_workflow_runs_from_another_folder(workflow, scans, tmp_path):
    elsewhere = tmp_path / "else where"
    elsewhere.mkdir()
    (elsewhere / "scans").symlink_to(scans)
    configure(elsewhere, "scans")
    shutil.copy(workflow.folder / "tests/config.yaml", elsewhere / "tiny.yaml")
    there = type(workflow)(elsewhere)
    arguments = ["--configfile", "tiny.yaml", "mine.yaml", "--cores", 2]
    done(there.run("-s", workflow.folder / "Snakefile", *arguments, PATCHES[0]))
    done(there.run("-s", workflow.folder / "Snakefile", *arguments, "-n", "-q", "all"))  # captions, templates
    assert (elsewhere / PATCHES[0]).exists()
    assert not (workflow.folder / "results").exists()


def test_results_may_go_to_another_directory(workflow, scans, tmp_path):
    configure(workflow.folder, scans)
    done(run(workflow, "--directory", tmp_path / "out", PATCHES[0]))
    done(run(workflow, "--directory", tmp_path / "out", "-n", "-q", "all"))
    assert (tmp_path / "out" / PATCHES[0]).exists()
    assert not (workflow.folder / "results").exists()


def refused(result, *words):
    assert result.returncode != 0
    assert "Traceback" not in result.stdout
    for word in (*words, "Remedy"):
        assert word in result.stdout
    assert len(result.stdout) < 2000


def test_a_second_privacy_section_is_refused_before_any_job(workflow, scans):
    configure(workflow.folder, scans)
    mine = workflow.folder / "mine.yaml"
    first = mine.read_text().count("\n") + 1
    mine.write_text(
        mine.read_text() + "privacy:\n  budget: {epsilon: 0.5, delta: 1.0e-3}\nprivacy:\n  state: elsewhere\n"
    )
    refused(
        run(workflow, PATCHES[0]), f"mine.yaml, line {first + 2}: privacy is given twice", f"line {first};"
    )
    assert not (workflow.folder / "results").exists()


def test_a_key_twice_in_a_profile_or_on_the_command_line_is_refused(workflow, scans):
    configure(workflow.folder, scans)
    profile = workflow.folder / "profiles/own/config.yaml"
    profile.parent.mkdir()
    profile.write_text("keep-going: true\nretries: 1\nkeep-going: false\n")
    refused(run(workflow, "-n", "--profile", profile.parent), "line 3: keep-going is given twice")
    refused(run(workflow, "-n", "--config", "gan={batch: 8, batch: 4}"), "gan.batch is given twice")


def test_numbers_may_be_given_with_an_exponent_and_inside_of_braces(workflow, scans):
    configure(workflow.folder, scans, privacy={"delta": "1e-4"})
    given = ["patches={size: 32}", "gan={generator_learning_rate: 1e-5}"]
    told = done(run(workflow, "-n", "-q", "all", "--config", *given, "--", PATCHES[0]))
    assert "dry-run" in told
