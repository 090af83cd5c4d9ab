"""What the workflow has made, read back: damaged files are named, with the remedy."""

import errno
import hashlib
import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from privessel.errors import DamagedError

REMEDY = "Remedy: remove it and run the same command again; it is made anew"


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


def file_digest(path: str | Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
