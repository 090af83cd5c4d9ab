"""One process at a time on a run: on one machine, and on several that share a file system."""

import fcntl
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from privessel.errors import PrivacyError

log = logging.getLogger(__name__)


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
        if not _locked(descriptor):
            raise PrivacyError(_stand_back(path, _holder(descriptor)))
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


def held(path: Path, *, silent_minutes: float) -> bool:
    """Tell whether a living process holds the file `path`; on another machine its heartbeat decides."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        holder = _holder(descriptor)
        silent = time.time() - os.fstat(descriptor).st_mtime
        return bool(holder) and holder.split()[0] != socket.gethostname() and silent < 60 * silent_minutes
    finally:
        os.close(descriptor)


def _locked(descriptor: int) -> bool:
    """Take the system's lock; tried again for a moment, because `held` takes it to look."""
    for _ in range(5):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(0.02)
    return False


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
