"""A vote of a hospital's patients through the workflow: secret, ledger, draw, release, and its recipient."""

import json
import re
import subprocess
import sys

import pandas as pd
import pytest
from hospital import done, hospital_at

from privessel.phantom import simulate, write_patient, write_table
from privessel.privacy.keys import create_master
from privessel.privacy.signing import create_signer
from privessel.privacy.site import SECRET

VOTE = "results/hospital/vote/eps-1/run-1"
SPLITS = {f"v{number:03d}": "train" for number in range(1, 6)} | {"v006": "validation", "v007": "test"}
CHANGES = {
    "levels": ["inf"],
    "shuffled": [],
    "compared_architectures": [],
    "epoch_study": {"levels": [], "runs": [], "epochs": []},
    "vote": {"levels": [1.0]},
    "release": {
        "pairs": "vote/eps-1/run-1",
        "weights": True,
        "description": "Adults.",
        "creators": ["A site"],
    },
}


@pytest.fixture(scope="module")
def voters(tmp_path_factory):
    root = tmp_path_factory.mktemp("voters")
    scans, state = root / "scans", root / "state"
    write_table(scans, SPLITS, name="patients")
    for seed, patient in enumerate(SPLITS):
        phantom = simulate(seed=seed, shape=(80, 96, 24), spacing=(1.0, 1.0, 1.4), parameters="a")
        write_patient(scans, patient, phantom, seed=seed)
    create_master(state / SECRET)
    create_signer(state)
    found = hospital_at(root / "study", scans, state)
    found.configure(**CHANGES)
    done(found.study("--cores", 2, f"{VOTE}/privacy.json"))
    return found


def test_no_log_of_the_vote_names_a_candidate_or_a_count(voters):
    log = (voters.folder / "logs/hospital/vote/eps-1/run-1.log").read_text()
    assert "5 patients have chosen among 3 candidates" in log
    number = json.loads((voters.folder / VOTE / "setting.json").read_text())["candidate"]
    assert f"candidate {number}" not in log
    for ballot in voters.folder.glob("results/hospital/vote/ballots-inside-only/*/*.json"):
        assert str(json.loads(ballot.read_text())["counts"][0]) not in log


def test_a_vote_is_charged_once_restored_and_told_by_the_ledger(voters):
    record = json.loads((voters.folder / VOTE / "privacy.json").read_text())
    assert (record["public_key"], record["promises"]["patient"]["epsilon"], voters.charged()) == (False, 1, 1)
    before = (voters.folder / VOTE / "setting.json").read_text()
    for name in ("setting.json", "pairs.npz", "unet.pt"):
        (voters.folder / VOTE / name).unlink()
    told = done(voters.study(f"{VOTE}/setting.json"))
    assert "is finished and paid for: its files were restored" in told
    assert (voters.folder / VOTE / "setting.json").read_text() == before
    assert voters.charged() == 1
    told = done(voters.study("ledger"))
    assert "vote/eps-1/run-1" in told
    assert "5 patients: eps 1 of a patient in 1 run" in told


@pytest.mark.parametrize(("module", "again"), [("candidates", set()), ("ballots", {"ballot", "vote"})])
def test_edited_code_makes_no_candidate_anew_on_patients_but_leaves_no_stale_ballot(voters, module, again):
    code = voters.folder / f"scripts/privessel/vote/{module}.py"
    text = code.read_text()
    code.write_text(text + "\n# edited\n")
    try:
        told = done(voters.study("-n", f"{VOTE}/privacy.json"))
    finally:
        code.write_text(text)
    assert set(re.findall(r"^rule (\w+):", told, re.MULTILINE)) == again


def test_four_patients_are_too_few(voters):
    table = voters.scans / "participants.tsv"
    text = table.read_text()
    table.write_text(text.replace("sub-v005\ttrain", "sub-v005\ttest"))
    try:
        refused = voters.study("-n", f"{VOTE}/privacy.json")
    finally:
        table.write_text(text)
    assert refused.returncode != 0
    assert "vote.levels asks 4 training patients to vote, and 5 are the fewest" in refused.stdout


def test_the_release_of_a_vote_is_checked_by_its_recipient(voters, tmp_path):
    done(voters.study("release"))
    (archive,) = voters.folder.glob("results/hospital/release/*.tar.gz")
    subprocess.run(["tar", "xzf", archive, "-C", tmp_path], check=True)
    (folder,) = tmp_path.iterdir()
    assert not list(folder.rglob("*ballot*"))
    command = [sys.executable, "-I", folder / "verify.py"]
    found = subprocess.run(command, cwd="/", text=True, capture_output=True, check=False, timeout=120)
    assert found.returncode == 0, found.stdout
    assert "eps of one patient, all private runs: stated 1, computed 1" in found.stdout


def test_the_whole_study_has_the_vote_in_its_table_figures_and_summary(voters):
    done(voters.study("--cores", 2, timeout=1800))
    results = voters.folder / "results/hospital"
    scores = pd.read_csv(results / "tables/scores.csv").drop_duplicates("source").set_index("source")
    row = scores.loc["vote/eps-1/run-1"]
    assert (row["kind"], row["unit"], row["eps_patient"], row["eps_region"]) == ("vote", "patient", 1, 2)
    chosen = json.loads((results / "selection/vote/eps-1/run-1.json").read_text())
    assert "voted" in chosen["settings"]
    quality = pd.read_csv(results / "tables/quality.csv")
    assert "vote/eps-1/run-1" in set(quality["source"])
    expected = pd.read_csv(results / "vote/expectation-inside-only.csv").iloc[0]
    assert 0 <= expected["least_dsc"] <= expected["expected_dsc"] <= expected["best_dsc"] <= 1
    told = (results / "summary.txt").read_text()
    assert "vote/eps-1/run-1 protects every training patient: eps 1 of a whole patient." in told
    assert "Inside only, as no eps covers it" in told
    for figure in ("table1", "fig2", "fig3", "fig4", "fig6", "fig8", "fig9"):
        assert (results / f"figures/{figure}.png").stat().st_size > 5000
