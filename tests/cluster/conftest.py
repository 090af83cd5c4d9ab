"""Slurm for the session, a checkout ready to train in it, and the same study run without it."""

import os
import signal

import pytest
from checkout import PAIRS, PRIVATE, PUBLIC, Checkout
from slurm import Slurm, SlurmAbsent, end_leftover, install

from privessel.phantom import simulate, write_patient, write_table
from privessel.privacy.keys import create_master
from privessel.privacy.site import SECRET

PATIENTS = {"p1": "train", "p2": "train", "p3": "validation", "p4": "test"}


@pytest.fixture(scope="session")
def running_slurm():
    try:
        install()
        end_leftover()
        slurm = Slurm.bring_up()
    except SlurmAbsent as reason:
        pytest.skip(f"no Slurm here: {reason}")
    before = dict(os.environ)
    os.environ.update(slurm.mark())
    # A terminated test run must tear down too.
    handler = signal.signal(signal.SIGTERM, lambda *_: pytest.exit("terminated"))
    yield slurm
    signal.signal(signal.SIGTERM, handler)
    os.environ.clear()
    os.environ.update(before)
    slurm.stop()


@pytest.fixture
def slurm(running_slurm):
    """All nodes idle and no job in the queue, before a test and after it."""
    yield running_slurm
    running_slurm.clear()


@pytest.fixture(scope="session")
def scans(running_slurm, tmp_path_factory):
    """Phantoms that pass for patients."""
    root = tmp_path_factory.mktemp("scans")
    for patient, seed in zip(PATIENTS, range(len(PATIENTS)), strict=True):
        phantom = simulate(seed=seed, shape=(80, 96, 24), spacing=(1.0, 1.0, 1.4), parameters="a")
        write_patient(root, patient, phantom, seed=seed)
    write_table(root, PATIENTS, name="patients")
    return root


@pytest.fixture(scope="session")
def prepared(scans, tmp_path_factory):
    """A checkout with a secret and all that comes before the first training."""
    found = Checkout.install(tmp_path_factory.mktemp("prepared") / "study")
    found.configure(scans)
    create_master(found.state / SECRET)
    found.local("--until", "patches", "--", *PRIVATE)
    return found


@pytest.fixture(scope="session")
def expected(prepared, scans, tmp_path_factory):
    """The study run without Slurm: what every case must come to, bit by bit."""
    found = prepared.copy_to(tmp_path_factory.mktemp("expected") / "study", scans)
    found.local(PAIRS, PUBLIC, *PRIVATE)
    return found


@pytest.fixture
def checkout(prepared, scans, tmp_path, slurm):
    return prepared.copy_to(tmp_path / "study", scans)


@pytest.fixture
def two_checkouts(prepared, scans, tmp_path, slurm):
    return [prepared.copy_to(tmp_path / user / "study", scans) for user in ("anna", "ben")]
