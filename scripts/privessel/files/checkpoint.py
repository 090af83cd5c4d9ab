"""Saved states of trainings and networks: whole or absent, and read back without running any code."""

import io
import logging
from collections.abc import Mapping
from pathlib import Path

import torch

from privessel.files.atomic import atomic_path
from privessel.files.reading import reading

log = logging.getLogger(__name__)


def save(path: Path, state: dict) -> None:
    """Write tensors, numbers, strings, lists and dicts of them to `path`; it is on disk when this returns."""
    # The state is serialised in memory first. Given a path, torch would write the temporary file's random
    # name into the archive, and on a full disk it raises errors that do not mention the disk.
    content = io.BytesIO()
    torch.save(state, content)
    with atomic_path(path) as partial:
        partial.write_bytes(content.getbuffer())


def load(path: Path) -> dict:
    """Read what `save` wrote, onto the CPU.

    Only plain data and tensors are accepted (`weights_only=True`), so that no file can run code. Raises
    FileNotFoundError, or DamagedError where the file is damaged or was not written by `save`.
    """
    with path.open("rb") as file, reading(path):
        state = torch.load(file, map_location="cpu", weights_only=True)
        if not isinstance(state, dict):
            raise ValueError(f"it holds {type(state).__name__}, not a saved state")
    return state


def load_of(path: Path, *, identity: Mapping[str, object]) -> dict | None:
    """Return the state of a training of this `identity`, its own part of that name; None where there is none.

    A state of another identity is left alone with a warning, and the next `save` overwrites it. Raises
    DamagedError as `load`.
    """
    if not path.exists():
        return None
    state = load(path)
    if state["identity"] == identity:
        return state
    changed = [key for key, value in identity.items() if state["identity"].get(key) != value]
    log.warning(
        "%s was saved by a training with other %s: the training starts from the beginning",
        path,
        ", ".join(changed),
    )
    return None
