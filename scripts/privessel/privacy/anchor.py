"""The anchor: a file in a place of the site's choosing that remembers how far the register had come.

Whoever may write to `privacy.state` can remove its newest lines: what is left is an older but valid state. So
the head of the register is also appended to a file elsewhere (the config's `privacy.anchor`), best where the
account that trains may append to a file but not rewrite it. The file is plain text with one head a line, the
number of lines and the mac: `1234 5f2a...`. It tells nothing about runs or patients.
"""

import os
import re
from pathlib import Path

from privessel.files.atomic import sync_folder, write_synced
from privessel.privacy.chain import Head

_HEAD = re.compile(r"(\d+) ([0-9a-f]{64})")


def read_anchor(path: Path) -> list[Head] | None:
    """Return all heads in the anchor file, oldest first; None where there is no such file.

    A line that is no head, such as one that a crash cut short, is skipped.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return None
    found = [_HEAD.fullmatch(line.strip()) for line in lines]
    return [Head(int(match[1]), match[2]) for match in found if match]


def append_anchor(path: Path, head: Head) -> None:
    """Append a head to the anchor file; it is on disk when this returns."""
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        cut_short = size and os.pread(descriptor, 1, size - 1) != b"\n"
        # The line ends with a newline, and so does one before it that a crash has cut short.
        line = f"{head.lines} {head.mac}\n"
        write_synced(descriptor, (f"\n{line}" if cut_short else line).encode(), path=path)
    finally:
        os.close(descriptor)
    if is_new:
        sync_folder(path.parent)
