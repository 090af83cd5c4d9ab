"""What others' own programs say of what is written here: nnU-Net, the BIDS validator, mlcroissant.

They are installed into `.clients` by `make test-clients`, because they bring a gigabyte of packages along.
"""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tiny_release import make_generator, make_release

from privessel.phantom import simulate, write_patient, write_table
from privessel.release.export import NnunetTarget, write_exports

CLIENTS = Path(__file__).parents[2] / ".clients" / "bin"
CASES = 40
SPLITS = {"a001": "train", "a002": "validation", "a003": "test"}
# Recommended, and nothing a simulated cohort could say: no scanner, no licence but the user's own.
UNSAID = {"DwellTime", "HEDVersion", "License", "SourceDatasets", "Sources", "SpatialReference"}


def ask(program, *arguments, **environment):
    """Run a client; return its standard output."""
    done = subprocess.run(
        [CLIENTS / program, *map(str, arguments)],
        env=os.environ | {name: str(value) for name, value in environment.items()},
        text=True,
        capture_output=True,
        check=False,
        timeout=1800,
    )
    return done.stdout, done.stderr, done.returncode


def test_nnunet_plans_and_preprocesses_an_export(tmp_path):
    draws = np.random.default_rng(1)
    images = draws.integers(0, 256, (CASES, 96, 96), np.uint8)
    labels = draws.random((CASES, 96, 96)) > 0.95
    write_exports(images, labels, nnunet=NnunetTarget(tmp_path / "raw", 501, "Vessels"))
    folders = {"nnUNet_raw": "raw", "nnUNet_preprocessed": "preprocessed", "nnUNet_results": "results"}
    said, wrong, status = ask(
        "nnUNetv2_plan_and_preprocess",
        *("-d", 501, "-c", "2d", "-np", 1, "--verify_dataset_integrity"),
        **{name: tmp_path / folder for name, folder in folders.items()},
    )
    assert status == 0, f"{said}\n{wrong}"[-4000:]
    assert "verify_dataset_integrity Done" in said
    assert "Error" not in said
    made = tmp_path / "preprocessed/Dataset501_Vessels"
    plans = json.loads((made / "nnUNetPlans.json").read_text())
    assert plans["configurations"]["2d"]["patch_size"] == [96, 96]
    assert len(json.loads((made / "dataset_fingerprint.json").read_text())["spacings"]) == CASES


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    root = tmp_path_factory.mktemp("phantoms") / "phantom-a"
    write_table(root, SPLITS, name="phantom-a")
    for seed, patient in enumerate(SPLITS):
        phantom = simulate(seed=seed, shape=(80, 96, 24), spacing=(1.0, 1.0, 1.4), parameters="a")
        write_patient(root, patient, phantom, seed=seed)
    return root


@pytest.mark.parametrize("folder", ["", "derivatives/vessels", "derivatives/brain"])
def test_the_bids_validator_has_no_error_and_no_warning_that_could_be_mended(phantoms, folder):
    said, wrong, _ = ask("bids-validator-deno", phantoms / folder, "--json")
    issues = json.loads(said)["issues"]["issues"]
    assert [issue for issue in issues if issue["severity"] == "error"] == [], wrong
    codes = {issue.get("subCode") or issue["code"] for issue in issues}
    assert codes <= UNSAID | {"TOO_FEW_AUTHORS"}


def test_mlcroissant_reads_a_release(tmp_path):
    folder = make_release(tmp_path / "release", make_generator(tmp_path))
    code = (
        "import sys, mlcroissant; data = mlcroissant.Dataset(sys.argv[1]); "
        "print(sorted(data.metadata.ctx.issues.errors)); print(len(data.metadata.distribution))"
    )
    said, wrong, status = ask("python", "-c", code, folder / "croissant.json")
    assert status == 0, wrong[-4000:]
    assert said.splitlines()[0] == "[]"
    assert int(said.splitlines()[1]) > 0
