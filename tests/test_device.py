"""Which machine counts as one that computes the same bits again."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from privessel import device
from privessel.errors import ConfigError
from privessel.privacy.account import Point, Run
from privessel.privacy.keys import MasterSecret
from privessel.privacy.ledger import open_ledger

ROOT = Path(__file__).parents[1]
PROGRAM = """
import torch
torch.set_num_threads(1)
from privessel.device import replaying_machine
print(replaying_machine("cpu"))
"""
MASTER = MasterSecret(bytes(32))
RUN = Run(
    identity="0" * 64, cohort="site", architecture="wgan", level="noise-1", run=1, unit="patch",
    noise_multiplier=1.0, sampling_rate=0.01, steps=100, patients=(("a", "b"),),
)  # fmt: skip


def machine_of(**variables):
    """What a process of its own takes its machine for, under these environment variables."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=os.environ | {"PYTHONPATH": str(ROOT / "scripts")} | variables,
        text=True, capture_output=True, check=True, timeout=120,
    )  # fmt: skip
    return done.stdout


def charge(state, machine):
    """Start a run on a machine and charge ten steps; return its attempt, its noise's key and all steps."""
    opened = open_ledger(state, master=MASTER, run=RUN, point=Point(), machine=machine, silent_minutes=0.01)
    with opened as ledger:
        ledger.charge(0, 10)
        return ledger.attempt, ledger.key(MASTER), ledger.account.steps


@pytest.mark.skipif(platform.machine() != "x86_64", reason="these variables are for x86")
def test_a_variable_that_changes_kernels_makes_it_another_machine_with_other_noise(tmp_path):
    """The break: under these variables the same noise lay over other gradients, 7 to 55 C apart."""
    machine = machine_of()
    attempt, key, steps = charge(tmp_path, machine)
    assert (attempt, steps) == (0, 10)
    assert charge(tmp_path, machine_of()) == (0, key, 10)  # a replay
    seen, keys = {machine}, {key}
    for number, change in enumerate(
        [{"ONEDNN_MAX_CPU_ISA": "SSE41"}, {"MKL_CBWR": "COMPATIBLE"}, {"ATEN_CPU_CAPABILITY": "default"}], 1
    ):
        machine = machine_of(**change)
        attempt, key, steps = charge(tmp_path, machine)
        assert machine not in seen
        assert key not in keys
        assert (attempt, steps) == (number, 10 + 10 * number)
        seen.add(machine)
        keys.add(key)


def test_the_self_test_repeats_in_a_process_and_sees_another_kernel(monkeypatch):
    before = device.kernel_digest()
    assert device.kernel_digest() == before
    assert f"kernels {before[:24]}" in device.replaying_machine("cpu")
    product = torch.Tensor.__matmul__
    # One bit of one product, as another kernel rounds it.
    monkeypatch.setattr(
        torch.Tensor, "__matmul__", lambda a, b: torch.nextafter(made := product(a, b), 2 * made)
    )
    assert device.kernel_digest() != before


def test_a_gpu_repeats_nothing():
    assert device.replaying_machine("cuda") is None


def test_a_gpu_that_is_asked_for_and_not_there_is_one_line_with_the_remedy(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match=r"device is cuda.*Remedy: write `device: auto`") as refused:
        device.pick_device("cuda")
    assert "\n" not in str(refused.value)
    assert device.pick_device("auto").type == device.pick_device("cpu").type == "cpu"
