"""A lock that lets one process at a time work on a run, also across machines that share a file system."""

import fcntl
import logging
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from privessel.errors import BusyError

log = logging.getLogger(__name__)

# How long a second process waits for the first: a cluster that restarts a job gives it some seconds to end.
PATIENCE_SECONDS = 90.0
SILENT_MINUTES = 5.0  # a process on another machine that shows no heartbeat for so long counts as dead


@contextmanager
def lock(path: Path, *, silent_minutes: float) -> Iterator[Callable[[], None]]:
    """Hold the lock file `path` for this process; yield a heartbeat to call at least twice a minute.

    On one machine, and on file systems that share it between machines, the system's lock (flock) decides.
    Elsewhere the heartbeat of the holder decides: where this process has watched the file for
    `silent_minutes` and seen none, whatever the clocks say, the holder counts as dead and the lock is taken
    over. For a living holder this process waits PATIENCE_SECONDS, then raises BusyError. When the lock is
    released, an empty file remains.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _wait_for(path, descriptor, silent=60 * silent_minutes)
        this_process = f"{socket.gethostname()} {os.getpid()}"
        _write_holder(path, descriptor, this_process)

        def beat() -> None:
            if _read_holder(descriptor) != this_process:
                raise BusyError(
                    f"{path}: {_read_holder(descriptor)} took over while this process was silent. Remedy: "
                    "let that process finish; this one need not be started again"
                )
            os.utime(descriptor)

        try:
            yield beat
        finally:
            if _read_holder(descriptor) == this_process:
                _write_holder(path, descriptor, "")
    finally:
        os.close(descriptor)


def held(path: Path, *, silent_minutes: float) -> bool:
    """Return whether a living process holds the lock; on another machine its last heartbeat decides."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        if _is_dead_without_flock(_read_holder(descriptor)):
            return False
        # The age of the heartbeat by the file system's clock, which has also dated the heartbeat.
        with tempfile.TemporaryFile(dir=path.parent) as now:
            silent = os.fstat(now.fileno()).st_mtime - os.fstat(descriptor).st_mtime
        return silent < 60 * silent_minutes
    finally:
        os.close(descriptor)


def _wait_for(path: Path, descriptor: int, *, silent: float) -> None:
    """Return as soon as this process may take the lock; BusyError where its holder lives too long."""
    started = last_sign = time.monotonic()
    heartbeat = os.fstat(descriptor).st_mtime_ns
    alive, reported = False, False
    while True:
        locked, holder = _take_flock(descriptor), _read_holder(descriptor)
        if locked and _is_dead_without_flock(holder):
            return
        now = time.monotonic()
        if not locked or os.fstat(descriptor).st_mtime_ns != heartbeat:
            alive, last_sign, heartbeat = True, now, os.fstat(descriptor).st_mtime_ns
        elif now - last_sign >= silent:
            minutes = (now - last_sign) / 60
            log.warning("%s: taken over from %s, silent for %.1f minutes", path, holder, minutes)
            return
        if alive and now - started >= PATIENCE_SECONDS:
            raise BusyError(
                f"{path}: another process ({holder or 'just starting'}) works on this run. Remedy: wait for "
                f"it or end it, then start again; if its machine is gone for good, remove {path}"
            )
        if not reported:
            log.info("%s: %s was here first; waiting to see whether it ends", path, holder or "a process")
            reported = True
        time.sleep(min(1.0, PATIENCE_SECONDS / 10, silent / 10))


def _is_dead_without_flock(holder: str) -> bool:
    """Return whether a holder that lost the system's lock is dead: nobody, or a process of this machine.

    On another machine it may live, where the file system does not share the system's lock.
    """
    return not holder or holder.split()[0] == socket.gethostname()


def _take_flock(descriptor: int) -> bool:
    """Return whether this process could take the system's lock.

    It tries for a moment, because `held` takes the lock for an instant to find out.
    """
    for _ in range(5):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(0.02)
    return False


def _read_holder(descriptor: int) -> str:
    return os.pread(descriptor, 256, 0).decode(errors="replace")


def _write_holder(path: Path, descriptor: int, holder: str) -> None:
    try:
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, holder.encode(), 0)
        os.fsync(descriptor)
    except OSError as error:
        error.filename = str(path)  # an error of an open file has no name in it
        raise
