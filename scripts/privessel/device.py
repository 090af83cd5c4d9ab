"""Where networks run."""

import torch


def pick_device(name: str) -> torch.device:
    """Return the device called `name`; `auto` is CUDA where there is a GPU, else the CPU."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)
