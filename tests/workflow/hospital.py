"""A hospital: phantoms that pass for patients, a secret, and studies on them; made once, then copied."""

import fcntl
import json
import os
import shutil
import signal
import time
from hashlib import sha256

import pytest
import yaml
from conftest import Workflow, shared_folder

from privessel.phantom import simulate, write_patient, write_table
from privessel.privacy.keys import create_master
from privessel.privacy.signing import create_signer
from privessel.privacy.site import SECRET

GAN = "results/hospital/gan/wgan/noise-1/run-1"
TARGET = f"{GAN}/privacy.json"
PATIENTS = {"a001": "train", "a002": "train", "a003": "validation", "a004": "test"}


class Hospital(Workflow):
    """A workflow beside a site's scans and its private state, both of which lie elsewhere."""

    def __init__(self, folder, scans, state):
        super().__init__(folder)
        self.scans, self.state = scans, state
        self.arguments = ["--configfile", "tests/config.yaml", "mine.yaml", "--cores", 1]

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

    def begin(self, target, **changes):
        """Begin a private run and kill it when its ledger says so, before anything is charged.

        Copies of the state then have its nonce, so that a run that is disturbed in one copy can be compared
        with an undisturbed one in another.
        """
        endless = {"gan": changes.get("gan", {}) | {"checkpoint_seconds": 1e6}}  # nothing charged in an epoch
        self.configure(**changes | endless)
        run = self.start(*self.arguments, target)
        deadline = time.monotonic() + 300
        while not any('"kind": "attempt"' in path.read_text() for path in self.state.glob("*.ledger")):
            assert run.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        os.killpg(run.pid, signal.SIGKILL)
        run.wait(timeout=60)
        assert self.study("--unlock").returncode == 0
        assert self.charged() == 0
        assert list(self.state.glob("*.nonce"))

    def copy_to(self, root):
        """Copy the study to `root` with all it has made, its secret and ledgers; the scans are the same."""
        shutil.copytree(self.folder, root / "study", symlinks=True)  # with the times that Snakemake compares
        shutil.copytree(self.state, root / "state")
        found = Hospital(root / "study", self.scans, root / "state")
        found.configure()
        return found


def hospital_at(folder, scans, state):
    Workflow.install(folder)
    found = Hospital(folder, scans, state)
    found.configure()
    return found


def digests(folder):
    files = [path for path in folder.iterdir() if path.is_file()]
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in files}


def done(result):
    assert result.returncode == 0, result.stdout[-4000:]
    return result.stdout


def made_once(tmp_path_factory, name, make):
    """A folder that `make` fills for all processes of this test run: the first to ask does, others wait."""
    root = shared_folder(tmp_path_factory)
    folder, mark = root / name, root / f"{name}.made"
    with (root / f"{name}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not mark.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            mark.touch()
    return folder


def write_scans(folder):
    write_table(folder, PATIENTS, name="patients")
    for seed, patient in enumerate(PATIENTS):
        phantom = simulate(seed=seed, shape=(80, 96, 24), spacing=(1.0, 1.0, 1.4), parameters="a")
        write_patient(folder, patient, phantom, seed=seed)


@pytest.fixture(scope="session")
def scans(tmp_path_factory):
    """Phantoms that pass for patients."""
    return made_once(tmp_path_factory, "scans", write_scans)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory, scans):
    """A hospital with a secret and all that comes before its first training; tests work on copies."""

    def prepare(folder):
        create_master(folder / "state" / SECRET)
        create_signer(folder / "state")
        found = hospital_at(folder / "study", scans, folder / "state")
        done(found.study("--cores", 2, "--until", "patches", "--", TARGET))

    folder = made_once(tmp_path_factory, "prepared", prepare)
    return Hospital(folder / "study", scans, folder / "state")


@pytest.fixture(scope="session")
def trained(tmp_path_factory, prepared):
    """The same hospital with one private run, finished and paid for; tests work on copies."""

    def train(folder):
        done(prepared.copy_to(folder).study(TARGET))

    folder = made_once(tmp_path_factory, "trained", train)
    return Hospital(folder / "study", prepared.scans, folder / "state")


@pytest.fixture
def hospital(prepared, tmp_path):
    return prepared.copy_to(tmp_path)


@pytest.fixture
def paid_for(trained, tmp_path):
    return trained.copy_to(tmp_path)
