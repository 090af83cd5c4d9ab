"""One process at a time on a run: on one machine, and on several that share a file system."""

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

# A cluster that starts a job again gives its first instance some seconds to end.
PATIENCE_SECONDS = 90.0
SILENT_MINUTES = 5.0  # another machine's run that shows no heartbeat for so long is dead


@contextmanager
def lock(path: Path, *, silent_minutes: float) -> Iterator[Callable[[], None]]:
    """Hold the file `path` for this process; yield a heartbeat to call at least twice a minute.

    The system's own lock (flock) decides on one machine and on file systems that share it; elsewhere the
    holder's heartbeat does: it counts as dead, and is taken over, when none was seen for `silent_minutes` of
    watching, however the clocks stand. Where the holder lives, this waits PATIENCE_SECONDS for it to end,
    then stands back with BusyError. The file stays behind, empty.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _wait_for(path, descriptor, silent=60 * silent_minutes)
        here = f"{socket.gethostname()} {os.getpid()}"
        _sign(path, descriptor, here)

        def beat() -> None:
            if _holder(descriptor) != here:
                raise BusyError(f"{path}: {_holder(descriptor)} took over while this process was silent")
            os.utime(descriptor)

        try:
            yield beat
        finally:
            if _holder(descriptor) == here:
                _sign(path, descriptor, "")
    finally:
        os.close(descriptor)


def held(path: Path, *, silent_minutes: float) -> bool:
    """Tell whether a living process holds the file `path`; on another machine its last heartbeat decides."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        if _of_this_machine(_holder(descriptor)):
            return False
        # By the clock of the file system, which stamped the heartbeat too.
        with tempfile.TemporaryFile(dir=path.parent) as now:
            silent = os.fstat(now.fileno()).st_mtime - os.fstat(descriptor).st_mtime
        return silent < 60 * silent_minutes
    finally:
        os.close(descriptor)


def _wait_for(path: Path, descriptor: int, *, silent: float) -> None:
    """Return when this process may sign the file; BusyError where its holder lives on."""
    started = seen = time.monotonic()
    stamp = os.fstat(descriptor).st_mtime_ns
    lives, told = False, False
    while True:
        locked, holder = _locked(descriptor), _holder(descriptor)
        if locked and _of_this_machine(holder):
            return
        now = time.monotonic()
        if not locked or os.fstat(descriptor).st_mtime_ns != stamp:
            lives, seen, stamp = True, now, os.fstat(descriptor).st_mtime_ns
        elif now - seen >= silent:
            log.warning("%s: taken over from %s, silent for %.1f minutes", path, holder, (now - seen) / 60)
            return
        if lives and now - started >= PATIENCE_SECONDS:
            raise BusyError(
                f"{path}: another process ({holder or 'just starting'}) works on this run. Remedy: wait for "
                f"it or end it, then start again; if its machine is gone for good, remove {path}"
            )
        if not told:
            log.info("%s: %s was here first; waiting to see whether it ends", path, holder or "a process")
            told = True
        time.sleep(min(1.0, PATIENCE_SECONDS / 10, silent / 10))


def _of_this_machine(holder: str) -> bool:
    """Whether a holder must be dead if this process has the system's lock: nobody, or one of this machine."""
    return not holder or holder.split()[0] == socket.gethostname()


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


def _sign(path: Path, descriptor: int, holder: str) -> None:
    try:
        os.truncate(descriptor, 0)
        os.pwrite(descriptor, holder.encode(), 0)
        os.fsync(descriptor)
    except OSError as error:
        error.filename = str(path)  # writing to an open file names none
        raise
