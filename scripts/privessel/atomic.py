"""Files that are either whole or absent, and that are named where they cannot be written or read."""

import errno
import json
import os
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from privessel.errors import DamagedError

REMEDY = "Remedy: remove it and run the same command again; it is made anew"


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is synced to disk and renamed to `path`.

    The temporary name keeps the suffix (`.nii.gz`), because writers choose the format by it. On an error the
    temporary file is removed and `path` stays as it was; an OSError of writing it names `path`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = None
    try:
        partial = _make_beside(path)
        yield partial
        with partial.open("rb+") as written:
            os.fsync(written.fileno())
        umask = os.umask(0)
        os.umask(umask)
        partial.chmod(0o666 & ~umask)
        partial.replace(path)
        sync_folder(path.parent)
    except Exception as error:
        refusal = _refusal(error)
        # Writing to an open file names none, and the temporary one is gone when the message is read.
        if refusal and (partial is None or refusal.filename in (None, str(partial))):
            raise OSError(refusal.errno, refusal.strerror, str(path)) from error
        raise
    finally:
        if partial:
            with suppress(OSError):  # of a file system that has become read-only
                partial.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Make a new or renamed file in `folder` survive a power loss."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Raise DamagedError, naming `path` and the remedy, where the content of that file cannot be used.

    What hinders reading itself (no such file, no permission, a broken disk) passes through.
    """
    try:
        yield
    except (MemoryError, DamagedError):
        raise
    except Exception as problem:  # arbitrary bytes break readers in arbitrary ways
        # An archive cut short sends its reader to before its start, which the system calls invalid.
        if isinstance(problem, OSError) and problem.errno != errno.EINVAL:
            raise
        what = str(problem).strip().partition("\n")[0] or type(problem).__name__
        raise DamagedError(f"{path} is damaged, or is not what its name says ({what}). {REMEDY}") from problem


def read_text(path: str | Path) -> str:
    """Read a text of whole lines; DamagedError where its end is missing: half a number is another number."""
    with reading(path):
        text = Path(path).read_text(encoding="utf-8")
        if not text.endswith("\n") or "\0" in text:
            raise ValueError("its last line is cut short")
    return text


def read_json(path: str | Path, *, keys: Collection[str]) -> dict:
    """Read a JSON object that has at least these keys; DamagedError where the file holds none."""
    with reading(path):
        found = json.loads(Path(path).read_text(encoding="utf-8"))
        missing = set(keys) - found.keys()
        if missing:
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    return found


def read_arrays(path: str | Path) -> dict[str, NDArray]:
    """Read all arrays of an `.npz`, their checksums verified; DamagedError where the file is none."""
    with reading(path), np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _refusal(error: BaseException | None) -> OSError | None:
    """Find the system's refusal behind an error: some writers fail once more while they close what failed."""
    while error and not (isinstance(error, OSError) and error.errno):
        error = error.__cause__ or error.__context__
    return error


def _make_beside(path: Path) -> Path:
    suffix = "".join(path.suffixes[-2:]) if path.suffixes[-2:-1] == [".nii"] else path.suffix
    handle, name = tempfile.mkstemp(
        prefix=f".{path.name.split('.')[0]}-", suffix=f".partial{suffix}", dir=path.parent
    )
    os.close(handle)
    return Path(name)
