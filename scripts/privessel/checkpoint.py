"""Saved states: whole or absent, read back without running code, and one process at a time."""

import fcntl
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from privessel.atomic import atomic_path
from privessel.errors import PrivacyError

log = logging.getLogger(__name__)


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


@contextmanager
def lock(path: Path, *, silent_minutes: float) -> Iterator[Callable[[], None]]:
    """Hold the file `path` for this process; yield a heartbeat to call every few seconds.

    A second process stands back with PrivacyError. The system's own lock (flock) decides on one machine and
    on file systems that share it; elsewhere the holder's heartbeat does: a lock of another machine counts as
    dead, and is taken over, after `silent_minutes` without one. The file stays behind, empty.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    host = socket.gethostname()
    here = f"{host} {os.getpid()}"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PrivacyError(_stand_back(path, _holder(descriptor))) from None
        holder, silent = _holder(descriptor), time.time() - os.fstat(descriptor).st_mtime
        if holder and holder.split()[0] != host:
            if silent < 60 * silent_minutes:
                raise PrivacyError(_stand_back(path, holder))
            log.warning("%s: taken over from %s, silent for %.0f minutes", path, holder, silent / 60)
        _sign(descriptor, here)

        def beat() -> None:
            if _holder(descriptor) != here:
                raise PrivacyError(f"{path}: {_holder(descriptor)} took over while this process was silent")
            os.utime(descriptor)

        try:
            yield beat
        finally:
            if _holder(descriptor) == here:
                _sign(descriptor, "")
    finally:
        os.close(descriptor)


def _holder(descriptor: int) -> str:
    return os.pread(descriptor, 256, 0).decode(errors="replace")


def _sign(descriptor: int, holder: str) -> None:
    os.truncate(descriptor, 0)
    os.pwrite(descriptor, holder.encode(), 0)
    os.fsync(descriptor)


def _stand_back(path: Path, holder: str) -> str:
    return (
        f"{path}: another process ({holder or 'just starting'}) works on this run; wait for it or end it. "
        f"If its machine is gone for good, remove {path}"
    )
