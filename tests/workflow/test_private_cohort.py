"""A cohort of patients at a private level: secret, ledger and budget, through kills, edits and refusals."""

import json
import os
import random
import shutil
import signal
import time
from hashlib import sha256

import pytest
import yaml
from conftest import Workflow

GAN = "results/hospital/gan/wgan/noise-1/run-1"
TARGET = f"{GAN}/privacy.json"


class Hospital(Workflow):
    """A workflow beside a site's scans and its private state, both of which lie elsewhere."""

    def configure(self, **changes):
        """Write the study's own config: patients, a secret, a budget; and what a test changes of it."""
        given = {
            "study": "hospital",
            "cohorts": {"patients": {"root": str(self.scans), "public": False}},
            "train_cohort": "patients",
            "test_cohorts": ["patients"],
            "transfer": {"patients": []},
            "privacy": {"state": str(self.state), "budget": {"epsilon": 20.0, "delta": 1e-3}},
        }
        for section, keys in changes.items():
            given[section] = given.get(section, {}) | keys if isinstance(keys, dict) else keys
        (self.folder / "mine.yaml").write_text(yaml.safe_dump(given))

    def study(self, *arguments, **keywords):
        return self.run(*self.arguments, *arguments, **keywords)

    def charged(self):
        """Steps in the ledgers, read as a stranger would: the union of all blocks of all attempts."""
        steps = set()
        for path in self.state.glob("*.ledger"):
            for line in path.read_text().splitlines():
                record = json.loads(line)["record"]
                if record["kind"] == "charge":
                    steps |= {
                        (path.stem, record["attempt"], k) for k in range(record["first"], record["last"])
                    }
        return len(steps)


def hospital_at(folder, scans, state):
    found = Hospital.install(folder)
    found.scans, found.state = scans, state
    found.arguments = ["--configfile", "tests/config.yaml", "mine.yaml", "--cores", 1]
    found.configure()
    return found


@pytest.fixture(scope="module")
def scans(tmp_path_factory):
    """Phantoms that pass for patients."""
    workflow = Workflow.install(tmp_path_factory.mktemp("phantoms") / "study")
    images = [f"data/tiny/phantom-a/sub-a00{n}/anat/sub-a00{n}_acq-TOF_angio.nii.gz" for n in range(1, 6)]
    result = workflow.tiny("data/tiny/phantom-a/participants.tsv", *images)
    assert result.returncode == 0, result.stdout[-3000:]
    shutil.rmtree(workflow.folder / "results", ignore_errors=True)
    return workflow.folder / "data/tiny/phantom-a"


@pytest.fixture(scope="module")
def secret(tmp_path_factory, scans):
    """A site's secret, made by the workflow."""
    found = hospital_at(
        tmp_path_factory.mktemp("secret") / "study", scans, tmp_path_factory.mktemp("s") / "state"
    )
    before = found.study("-n", TARGET)
    assert before.returncode != 0
    assert "no master secret" in before.stdout
    assert "Remedy" in before.stdout
    result = found.study("secret")
    assert result.returncode == 0, result.stdout
    assert (found.state / "master.key").read_bytes() not in result.stdout.encode(errors="replace")
    return found.state


@pytest.fixture
def hospital(tmp_path, scans, secret):
    shutil.copytree(secret, tmp_path / "state")
    return hospital_at(tmp_path / "study", scans, tmp_path / "state")


def digests(folder):
    files = [path for path in folder.iterdir() if path.is_file()]
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in files}


def done(result):
    assert result.returncode == 0, result.stdout[-4000:]
    return result.stdout


def test_a_private_run_is_charged_shown_kept_and_never_trained_again(hospital):
    done(hospital.study(TARGET))
    record = json.loads((hospital.folder / TARGET).read_text())
    assert record["public_key"] is False
    assert record["ledger"]["attempts"] == 1
    assert hospital.charged() == record["epochs"]["2"]["charged_steps"] == 20
    before = digests(hospital.folder / GAN)

    told = done(hospital.study("ledger"))
    assert "2 patients: eps" in told
    assert "wgan/noise-1/run-1" in told

    code = hospital.folder / "scripts/privessel/gan_steps.py"
    code.write_text(code.read_text() + "\n# edited\n")
    assert "Nothing to be done" in hospital.study(TARGET).stdout

    hospital.configure(gan={"private": {"kept_epochs": [2], "batch": 12}})
    refused = hospital.study(TARGET)
    assert refused.returncode != 0
    assert "finished and paid for" in refused.stdout
    assert "batch was 16, is 12" in refused.stdout
    hospital.configure()
    assert "paid for and stands as it is" in done(hospital.study(TARGET))
    assert digests(hospital.folder / GAN) == before
    assert hospital.charged() == 20

    hospital.configure(privacy={"budget": {"epsilon": 5.0, "delta": 1e-3}}, runs=[2])
    refused = hospital.study(TARGET.replace("run-1", "run-2"))
    assert refused.returncode != 0
    assert "would have spent eps" in refused.stdout
    assert "of 5 at delta 0.001" in refused.stdout
    hospital.configure(runs=[2])
    done(hospital.study(TARGET.replace("run-1", "run-2")))
    assert hospital.charged() == 40
    key = (hospital.state / "master.key").read_bytes()
    for path in [*hospital.folder.rglob("*.log"), *hospital.folder.glob(".snakemake/**/*")]:
        if path.is_file():
            content = path.read_bytes()
            assert key not in content
            assert key.hex().encode() not in content


def test_patients_as_the_unit_run_through_the_workflow(hospital):
    budget = {"epsilon": 100.0, "delta": 0.04}
    hospital.configure(
        gan={"private": {"kept_epochs": [2], "batch": 2}},
        privacy={"unit": "patient", "patient_delta": 0.04, "budget": budget},
    )
    done(hospital.study(TARGET))
    record = json.loads((hospital.folder / TARGET).read_text())
    assert (record["unit"], record["sampling_rate"]) == ("patient", 1.0)
    last = record["epochs"]["2"]
    assert last["patient"]["method"] == "exact"
    assert last["patient"]["epsilon"] == last["epsilon"]
    hospital.configure(gan={"private": {"batch": 3}}, privacy={"unit": "patient"})
    refused = hospital.study("-n", TARGET)
    assert refused.returncode != 0
    assert "gan.batch 3 is more than the 2" in refused.stdout


@pytest.mark.parametrize("inside", ["results/state", "logs", "scans"])
def test_a_state_that_lies_where_others_read_is_refused(hospital, inside):
    place = hospital.scans / "state" if inside == "scans" else inside
    hospital.configure(privacy={"state": str(place)})
    refused = hospital.study("-n", TARGET)
    assert refused.returncode != 0
    assert "privacy.state" in refused.stdout
    assert "lies inside" in refused.stdout


def test_without_a_state_a_private_level_is_refused_before_any_job_and_others_run(hospital):
    hospital.configure(privacy={"state": ""})
    refused = hospital.study("-n", TARGET)
    assert refused.returncode != 0
    assert "privacy.state is not set" in refused.stdout
    assert hospital.study("-n", TARGET.replace("noise-1", "inf")).returncode == 0


def test_killed_five_times_at_random_it_ends_with_the_same_bits_and_a_ledger_never_below_the_steps(
    hospital, tmp_path, scans, secret
):
    longer = {"checkpoint_seconds": 0.2, "steps_per_epoch": 120}
    shutil.copytree(secret, tmp_path / "undisturbed state")
    undisturbed = hospital_at(tmp_path / "undisturbed", scans, tmp_path / "undisturbed state")
    for one in (hospital, undisturbed):
        one.configure(gan=longer, privacy={"budget": {"epsilon": 1000.0, "delta": 1e-3}})
    done(undisturbed.study(TARGET))

    dice, kills = random.Random(3), 0
    folder = hospital.folder / GAN
    while kills < 5:
        before = hospital.charged()
        run = hospital.start(*hospital.arguments, TARGET)
        deadline = time.monotonic() + 120
        while hospital.charged() == before:
            assert run.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(dice.uniform(0, 0.4))
        os.killpg(run.pid, signal.SIGKILL)
        run.wait(timeout=60)
        kills += 1
        assert not list(folder.glob("*.pt"))
        history = folder / ".resume" / "history.csv"
        if history.exists():
            lines = history.read_text().splitlines()
            kept = int(lines[-1].split(",")[1]) if len(lines) > 1 else 0
            assert hospital.charged() >= kept
        assert hospital.study("--unlock").returncode == 0
    assert "going on from step" in done(hospital.study(TARGET))
    found, expected = digests(folder), digests(undisturbed.folder / GAN)
    # Where the ledger stands is told by a keyed digest of its lines, which have times.
    assert {name for name in expected if found.get(name) != expected[name]} == {"privacy.json"}
    records = [json.loads((one.folder / TARGET).read_text()) for one in (hospital, undisturbed)]
    assert [record.pop("ledger")["attempts"] for record in records] == [1, 1]
    assert records[0] == records[1]
    assert hospital.charged() == undisturbed.charged() == 480
