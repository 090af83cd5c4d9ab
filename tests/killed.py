"""Work that is killed before every change that it makes on the disk, and in the middle of its files.

The work runs in a child process. A kill there is as one by SIGKILL: nothing is flushed, closed or removed.
"""

import os
import resource
import signal
import sys
import traceback
from pathlib import Path

KILLED = 137
CHANGES = {"os.rename", "os.link", "os.symlink", "os.remove", "os.rmdir", "os.mkdir", "os.truncate"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
BYTES = 10  # of a file, after which its writer is killed
MOST = 1000  # kills, after which a piece of work is taken to make no progress


def kill_before_changes(work, folder, *, ignored=None):
    """Kill `work` before its first change below `folder`, then start it again and kill it before the second.

    Yields the number of each kill, until the work comes to its end. What earlier kills have left stays.
    ignored: changes of paths with this text in them are not counted.
    """
    return _kill(work, folder, ignored, in_files=False)


def kill_in_files(work, folder, *, ignored=None):
    """Kill `work` in the middle of the first file that it writes below `folder`, then of the second.

    It goes on so until the work comes to its end. Each file has BYTES bytes at its kill. Yields and ignores
    as `kill_before_changes`.
    """
    return _kill(work, folder, ignored, in_files=True)


def _kill(work, folder, ignored, *, in_files):
    for number in range(1, MOST):
        code = _run(work, Watch(Path(folder), ignored, number, in_files))
        if code == 0:
            return
        assert code in (KILLED, -signal.SIGXFSZ), f"after kill {number - 1}, it failed with status {code}"
        yield number
    raise AssertionError(f"it did not end after {MOST} kills")


def _run(work, watch):
    """Run `work` in a child process that `watch` is to kill; return its exit status."""
    process = os.fork()
    if process == 0:
        try:
            sys.addaudithook(watch.see)
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            # Where only a part could be written, the first call of the system's `write` says so.
            os._exit(KILLED if watch.limited else 1)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


class Watch:
    """Sees the changes that its process is about to make, and ends it at one of them."""

    def __init__(self, folder, ignored, number, in_files):
        self.folder, self.ignored, self.left, self.in_files = folder, ignored, number, in_files
        self.taken_apart, self.limited = "", False

    def see(self, event, given):
        """Count an event of Python's audit hooks, and end the process or limit its files if it is the one."""
        if event == "shutil.rmtree":
            self.taken_apart = os.fsdecode(given[0])
        writes = event == "open" and given[2] & WRITING
        if not (writes or (event in CHANGES and not self.in_files)):
            return
        self.left -= any(map(self._counts, given[:2] if event == "os.rename" else given[:1]))
        if self.left == 0 and not self.limited:
            if not self.in_files:
                os._exit(KILLED)
            self.limited = True
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it, and would raise an error
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (BYTES, BYTES))

    def _counts(self, path):
        if isinstance(path, int):  # a file that is open already, whose opening was counted
            return False
        path = os.fsdecode(path)
        # A relative name may be one within a folder that is taken apart.
        places = {os.path.abspath(path), os.path.abspath(os.path.join(self.taken_apart, path))}
        return any(
            Path(place).is_relative_to(self.folder) and not (self.ignored and self.ignored in place)
            for place in places
        )


def read_files(folder):
    """Return the content of every file below `folder` whose name, and that of its folders, is not hidden."""
    names = [path.relative_to(folder) for path in sorted(Path(folder).rglob("*")) if path.is_file()]
    return {
        str(name): Path(folder, name).read_bytes()
        for name in names
        if not any(part.startswith(".") for part in name.parts)
    }
