"""Files that a user brings: whether they are there, and what tells that their content has changed.

The Snakefile imports this module, so it needs only the standard library.
"""

import errno
import hashlib
import os
import struct
from collections.abc import Mapping
from pathlib import Path

from privessel.errors import CohortError, raise_problems

_GZIP = b"\x1f\x8b"
# Small texts in the place of a file's content: how they begin, what makes them, and what fetches the content.
POINTERS = {
    b"/annex/objects/": ("git-annex", "datalad get"),
    b"version https://git-lfs": ("Git LFS", "git lfs pull --include"),
}
_POINTER_BYTES = 1024  # pointers are shorter
_SMALL_BYTES = 65536  # read as a whole
_SLACK = 1024  # bytes by which compression may make a file longer


def find_absence(path: Path) -> str | None:
    """Return why a file cannot be read, with the remedy, in words that follow its name; else None."""
    try:
        return _find_absence(path)
    except OSError as problem:  # of the file, or of a folder above it that must not be looked into
        return _unreadable(problem.strerror)


def read_content(path: Path) -> bytes:
    """Return a file's content. Raises CohortError as `find_absence` has it; the caller names the file."""
    if absence := find_absence(path):
        raise CohortError(absence)
    try:
        return path.read_bytes()
    except OSError as problem:
        raise CohortError(_unreadable(problem.strerror)) from problem


def fingerprint(path: Path) -> str:
    """Return what tells whether a file's content has changed; a large file is not read for it.

    Of a small file it is the digest of its content; of a gzip file the checksum (CRC-32) and length of its
    content, which are its last eight bytes. A copy with another time then has the same fingerprint, and a
    corrected file another one, be it newer or older. Of other files the time of the last change takes their
    place; so it does where a gzip file has several parts, of which the last bytes describe only one.
    """
    status = path.stat()
    size = f"{status.st_size} bytes"
    with path.open("rb") as file:
        if status.st_size <= _SMALL_BYTES:
            return f"{size}, SHA-256 {hashlib.file_digest(file, 'sha256').hexdigest()}"
        if file.read(2) == _GZIP:
            file.seek(-8, 2)
            checksum, length = struct.unpack("<II", file.read(8))
            if length + _SLACK >= status.st_size:
                return f"{size}, {length} of content, CRC {checksum:08x}"
    return f"{size} of {status.st_mtime_ns}"


def check_output_outside(output: Path, roots: Mapping[str, Path]) -> None:
    """Refuse an output folder that is or lies in a cohort's root (name -> folder), links followed."""
    target = Path(output).resolve()
    problems = [
        f"lies inside the input folder {root} of cohort {cohort}: run with `--directory FOLDER`, a folder "
        "outside it, where results then go"
        for cohort, root in roots.items()
        if target.is_relative_to(Path(root).resolve())
    ]
    raise_problems(f"output folder {output}", problems)


def _find_absence(path: Path) -> str | None:
    if path.is_symlink() and not path.exists():
        target = path.readlink()
        if "annex" in target.parts:
            return f"is a link of git-annex whose content is not here. Remedy: `datalad get '{path}'`"
        return f"is a link to {target}, which does not exist. Remedy: restore that file, or correct the link"
    if path.is_dir():
        return "is a folder, not a file. Remedy: name the file in it, or correct its place in the config"
    if not path.is_file():
        return "does not exist. Remedy: put it there, or correct its place in the config"
    if not os.access(path, os.R_OK):
        return _unreadable(os.strerror(errno.EACCES))
    if path.stat().st_size <= _POINTER_BYTES:
        content = path.read_bytes()
        for start, (maker, command) in POINTERS.items():
            if content.startswith(start):
                return f"is a pointer of {maker}, and the content is not here. Remedy: `{command} '{path}'`"
    return None


def _unreadable(reason: str) -> str:
    return (
        f"cannot be read ({reason}). Remedy: give yourself the right to read it and to open the folders "
        "above it, or have the disk checked"
    )
