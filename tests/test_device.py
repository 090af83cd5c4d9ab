"""Which machine counts as one that computes the same bits again."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from privessel import device
from privessel.errors import ConfigError

ROOT = Path(__file__).parents[1]
PROGRAM = """
import json, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from privessel.device import replaying_machine
from privessel.privacy.account import Point, Run
from privessel.privacy.keys import MasterSecret
from privessel.privacy.ledger import open_ledger
run = Run(identity="0" * 64, cohort="site", architecture="wgan", level="noise-1", run=1, unit="patch",
          noise_multiplier=1.0, sampling_rate=0.01, steps=100, patients=(("a", "b"),))
machine = replaying_machine("cpu")
with open_ledger(Path(sys.argv[1]), master=MasterSecret(bytes(32)), run=run, point=Point(), machine=machine,
                 silent_minutes=0.01) as ledger:
    ledger.charge(0, 10)
    key = ledger.key(MasterSecret(bytes(32))).hex()
    print(json.dumps([machine, ledger.attempt, key, ledger.account.steps]))
"""


def started(state, **variables):
    """Start the run in a process of its own, under these environment variables."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "scripts")} | variables
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(state)],
        env=environment, text=True, capture_output=True, check=True, timeout=120,
    )  # fmt: skip
    return json.loads(done.stdout)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="these variables are for x86")
def test_a_variable_that_changes_kernels_makes_it_another_machine_with_other_noise(tmp_path):
    """The break: under these variables the same noise lay over other gradients, 7 to 55 C apart."""
    machine, attempt, key, steps = started(tmp_path)
    assert (attempt, steps) == (0, 10)
    assert started(tmp_path) == [machine, 0, key, 10]  # a replay
    seen, keys = {machine}, {key}
    for number, change in enumerate(
        [{"ONEDNN_MAX_CPU_ISA": "SSE41"}, {"MKL_CBWR": "COMPATIBLE"}, {"ATEN_CPU_CAPABILITY": "default"}], 1
    ):
        machine, attempt, key, steps = started(tmp_path, **change)
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
