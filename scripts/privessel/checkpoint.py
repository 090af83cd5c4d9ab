"""Saved states: whole or absent, and read back without running code."""

from pathlib import Path

import torch

from privessel.atomic import atomic_path


def save(path: Path, state: dict) -> None:
    """Write tensors, numbers, strings, lists and dicts of them to `path`; it is on disk when this returns."""
    # Given a path, torch would write the temporary file's random name into the archive.
    with atomic_path(path) as partial, partial.open("wb") as file:
        torch.save(state, file)


def load(path: Path) -> dict:
    """Read what `save` wrote, onto the CPU.

    Only plain data and tensors are accepted (`weights_only=True`), so a foreign file cannot run code. Raises
    FileNotFoundError, or ValueError naming the file where it is damaged or was not made by `save`.
    """
    with path.open("rb") as file:
        try:
            state = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # arbitrary bytes break torch's reader in arbitrary ways
            raise ValueError(
                f"{path} is damaged or was not written by this program; remove it and run the step again"
            ) from error
    if not isinstance(state, dict):
        raise ValueError(f"{path} holds {type(state).__name__}, not a saved state; remove it and run again")
    return state
