"""A private U-Net of a hospital through the workflow: secret, ledger, plan, release, and its recipient."""

import json
import subprocess
import sys

import pytest
from hospital import digests, done

UNET = "results/hospital/private-unet/noise-1/run-1"
CHANGES = {
    "levels": ["inf"],
    "shuffled": [],
    "epoch_study": {"levels": [], "runs": [], "epochs": []},
    "private_unet": {"levels": ["noise-1"]},
    "release": {
        "pairs": "private-unet/noise-1/run-1",
        "weights": True,
        "description": "Adults.",
        "creators": ["A site"],
        "epsilon": 1e3,
        "max_region_epsilon": 1e6,
    },
}


@pytest.fixture(scope="module")
def ward(prepared, tmp_path_factory):
    found = prepared.copy_to(tmp_path_factory.mktemp("ward"))
    found.configure(
        **CHANGES | {"privacy": {"state": str(found.state), "budget": {"epsilon": 1e3, "delta": 1e-3}}}
    )
    done(found.study(f"{UNET}/privacy.json"))
    return found


def test_it_is_charged_once_restored_and_told_by_the_ledger_and_the_plan(ward):
    record = json.loads((ward.folder / UNET / "privacy.json").read_text())
    assert (record["public_key"], record["steps"], ward.charged()) == (False, 4, 4)
    before = digests(ward.folder / UNET)
    for name in ("unet.pt", "history.csv"):
        (ward.folder / UNET / name).unlink()
    told = done(ward.study(f"{UNET}/unet.pt"))
    assert "is finished and paid for: its files were restored" in told
    assert digests(ward.folder / UNET) == before
    assert ward.charged() == 4
    assert "private-unet/noise-1/run-1" in done(ward.study("ledger"))
    told = done(ward.study("plan"))
    assert "private-unet/noise-1, noise multiplier 1, 4 steps at sampling rate 0.1 of a patch:" in told
    assert "a run of private-unet/noise-1" in told


def test_edited_code_trains_nothing_anew_on_patients(ward):
    code = ward.folder / "scripts/privessel/private_unet/run.py"
    text = code.read_text()
    code.write_text(text + "\n# edited\n")
    try:
        assert "Nothing to be done" in ward.study(f"{UNET}/privacy.json").stdout
    finally:
        code.write_text(text)


def test_its_release_is_checked_by_its_recipient(ward, tmp_path):
    done(ward.study("release"))
    (archive,) = ward.folder.glob("results/hospital/release/*.tar.gz")
    subprocess.run(["tar", "xzf", archive, "-C", tmp_path], check=True)
    (folder,) = tmp_path.iterdir()
    assert not (folder / "data").exists()
    command = [sys.executable, "-I", folder / "verify.py"]
    found = subprocess.run(command, cwd="/", text=True, capture_output=True, check=False, timeout=120)
    assert found.returncode == 0, found.stdout
    assert "eps of one patch, the run that made the model: stated" in found.stdout
