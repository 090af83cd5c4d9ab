"""Reading what the workflow has written, with errors that name a damaged file; digests of files."""

import errno
import hashlib
import json
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from privessel.errors import DamagedError

REMEDY = "Remedy: remove it and run the same command again; it is made anew"


@contextmanager
def reading(path: str | Path) -> Iterator[None]:
    """Raise DamagedError, naming `path` and the remedy, where the content of that file cannot be used.

    Errors of reading itself (no such file, no permission, a broken disk) pass through unchanged.
    """
    try:
        yield
    except (MemoryError, DamagedError):
        raise
    except Exception as problem:  # arbitrary bytes can make a reader fail with any error
        # An OSError without a number comes from a decoder. EINVAL comes from an archive that was cut short,
        # whose reader seeks to a place before the file's start.
        if isinstance(problem, OSError) and problem.errno not in (None, errno.EINVAL):
            raise
        reason = str(problem).strip().partition("\n")[0] or type(problem).__name__
        raise DamagedError(
            f"{path} is damaged, or is not what its name says ({reason}). {REMEDY}"
        ) from problem


def read_text(path: str | Path) -> str:
    """Read a text file whose last line is complete; DamagedError where it is not.

    A table that was cut short in the middle of a number could otherwise be read as another number.
    """
    with reading(path):
        text = Path(path).read_text(encoding="utf-8")
        if not text.endswith("\n") or "\0" in text:
            raise ValueError("its last line is cut short")
    return text


def read_json(path: str | Path, *, keys: Collection[str]) -> dict:
    """Read a JSON object that has at least these keys; DamagedError where the file holds no such object."""
    with reading(path):
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        missing = set(keys) - content.keys()
        if missing:
            raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    return content


def read_arrays(path: str | Path) -> dict[str, NDArray]:
    """Read all arrays of an `.npz` and verify their checksums; DamagedError where that fails."""
    with reading(path), np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def read_array(path: str | Path, name: str) -> NDArray:
    """Read one array of an `.npz` and no other; DamagedError where that fails."""
    with reading(path), np.load(path, allow_pickle=False) as archive:
        return archive[name]


def file_digest(path: str | Path) -> str:
    """Return the SHA-256 of a file's content as 64 hexadecimal digits."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def digest_files(paths: Iterable[str], *, root: Path) -> dict[str, str]:
    """Return the SHA-256 of each file by its path below `root`: files of one name do not hide each other."""
    return {path: file_digest(root / path) for path in paths}
