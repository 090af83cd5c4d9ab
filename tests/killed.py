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
MOST = 1000  # kills, after which a piece of work is taken to make no progress


def kill_before_changes(work, folder, *, ignored=None):
    """Kill `work` before its first change below `folder`, then start it again and kill it before the second.

    Yields the number of each kill, until the work comes to its end. What earlier kills have left stays.
    ignored: changes of paths with this text in them are not counted.
    """
    for number in range(1, MOST):
        code = _run(work, lambda kill=number: _die_before(kill, Path(folder), ignored))
        if code == 0:
            return
        assert code == KILLED, f"after kill {number - 1}, it failed with status {code}"
        yield number
    raise AssertionError(f"it did not end after {MOST} kills")


def kill_in_files(work, lengths):
    """Kill `work` in the middle of the first file that gets longer than so many bytes, for each of `lengths`.

    Yields each length; none may be so large that the work comes to its end.
    """
    for length in lengths:
        code = _run(work, lambda most=length: _die_after_bytes(most))
        assert code != 0, f"no file is longer than {length} bytes"
        yield length


def _run(work, prepare):
    """Run `work` in a child process that calls `prepare` first; return its exit status."""
    process = os.fork()
    if process == 0:
        try:
            prepare()
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def _die_before(number, folder, ignored):
    seen, taken_apart = 0, ""

    def counts(path):
        if isinstance(path, int):  # a file that is open already, whose opening was counted
            return False
        path = os.fsdecode(path)
        if not os.path.isabs(path):  # in a folder that is taken apart, names are relative
            path = f"{taken_apart}/{path}"
        return Path(path).is_relative_to(folder) and not (ignored and ignored in path)

    def watch(event, given):
        nonlocal seen, taken_apart
        if event == "shutil.rmtree":
            taken_apart = os.fsdecode(given[0])
        if event in CHANGES or (event == "open" and given[2] & WRITING):
            paths = given[:2] if event == "os.rename" else given[:1]
            seen += any(map(counts, paths))
            if seen == number:
                os._exit(KILLED)

    sys.addaudithook(watch)


def _die_after_bytes(length):
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it, and would raise an error
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (length, length))


def read_files(folder):
    """Return the content of every file below `folder` whose name, and that of its folders, is not hidden."""
    names = [path.relative_to(folder) for path in sorted(Path(folder).rglob("*")) if path.is_file()]
    return {
        str(name): Path(folder, name).read_bytes()
        for name in names
        if not any(part.startswith(".") for part in name.parts)
    }
