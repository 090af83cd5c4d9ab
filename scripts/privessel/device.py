"""Where networks run, and where they give the same bits again."""

import hashlib
import platform
from pathlib import Path

import torch


def pick_device(name: str) -> torch.device:
    """Return the device called `name`; `auto` is CUDA where there is a GPU, else the CPU."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def replaying_machine(device: str) -> str | None:
    """Name what computes the same bits again with as many threads: a CPU by its model; None for a GPU.

    Builds of one version of torch have other kernels, and so other bits: the name tells them apart.
    """
    if device != "cpu":
        return None
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.processor()
    build = hashlib.sha256(torch.__config__.show().encode()).hexdigest()[:12]
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()} {model} torch {build}"
