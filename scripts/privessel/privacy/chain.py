"""A file that only grows, and whose lines are chained by a keyed hash: a changed or missing line shows.

Each line holds a record and its `mac`. The mac is HMAC-SHA256, under a key that only the site has, of the
previous line's mac and this record. (The first line uses a mac of the file's name instead.) So nobody without
the key can change, reorder, insert or remove a line, with one exception: a file that has lost its last lines
is still a valid, shorter chain. That is why the *head* of a chain, the number of its lines and the last mac,
is also written down elsewhere and compared (`privacy/register.py`).
"""

import hmac
import json
import os
from dataclasses import dataclass
from pathlib import Path

from privessel.errors import PrivacyError
from privessel.files.atomic import sync_folder, write_synced

RESTORE = "Remedy: restore the newest copy of the whole folder from a backup"


@dataclass(frozen=True)
class Head:
    """The end of a chain at some moment: how many lines it had, and the mac of the last one."""

    lines: int
    mac: str


@dataclass(frozen=True)
class Chain:
    """The verified content of a chained file: the record and the mac of each line."""

    records: tuple[dict, ...]
    macs: tuple[str, ...]
    end: int  # length of all complete lines, in bytes
    torn: int  # bytes after `end`: the beginning of a line whose writing was cut short by a crash

    @property
    def head(self) -> Head:
        """The head of the chain; an empty chain has 0 lines and an empty mac."""
        return Head(len(self.macs), self.macs[-1] if self.macs else "")

    def contains(self, head: Head) -> bool:
        """Whether the chain once ended with `head`, and has only grown since."""
        if not head.lines:
            return True
        return len(self.macs) >= head.lines and self.macs[head.lines - 1] == head.mac


EMPTY = Chain((), (), 0, 0)


def read_chain(path: Path, *, key: bytes, head: Head | None = None, after: Chain = EMPTY) -> Chain:
    """Read and verify the chain at `path`; a file that does not exist is an empty chain.

    A last line that a crash cut short is left out: the function that was writing it never returned, so
    nothing depends on it. With `after`, an earlier result for the same file, only the lines added since are
    verified. Raises PrivacyError where a line was edited, moved, removed or written under another key, where
    the chain does not contain `head`, and where the file has become shorter than `after`.
    """
    content = path.read_bytes() if path.exists() else b""
    if len(content) < after.end:
        raise PrivacyError(f"{path}: lines were removed while it was in use. {RESTORE}")
    records, macs, end = list(after.records), list(after.macs), after.end
    for line in content[end:].splitlines(keepends=True):
        record, mac = _parsed(line)
        previous = macs[-1] if macs else _genesis(path, key)
        if record is None or line != _line(record, previous=previous, key=key):
            break
        records.append(record)
        macs.append(mac)
        end += len(line)
    rest = content[end:]
    # A power loss can leave part of a line, or zeros where its bytes should be; anything else was done to the
    # file.
    cut_short = b"\n" not in rest[:-1] and (not rest.endswith(b"\n") or b"\0" in rest)
    if rest and not cut_short:
        raise PrivacyError(
            f"{path}: line {len(macs) + 1} was edited, moved, or written under another master secret. "
            "Remedy: restore the file, with the master secret it was made under, from a backup"
        )
    chain = Chain(tuple(records), tuple(macs), end, len(rest))
    if head is not None and not chain.contains(head):
        raise PrivacyError(
            f"{path}: line {head.lines}, which a checkpoint or report refers to, is missing or another "
            f"one: charges were removed. {RESTORE}"
        )
    return chain


def append(path: Path, record: dict, *, key: bytes, chain: Chain) -> Chain:
    """Add `record` to the file that `chain` was read from, and return the longer chain.

    The record is on disk when this returns. Raises PrivacyError where the file is not as long as `chain`
    says, because another process has written to it.
    """
    line = _line(record, previous=chain.macs[-1] if chain.macs else _genesis(path, key), key=key)
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        if os.fstat(descriptor).st_size != chain.end + chain.torn:
            raise PrivacyError(
                f"{path}: another process has written to it; this one must stop, and may resume"
            )
        if chain.torn:
            os.ftruncate(descriptor, chain.end)
        write_synced(descriptor, line, path=path)
    finally:
        os.close(descriptor)
    if not chain.macs:
        sync_folder(path.parent)
    mac = _parsed(line)[1]
    return Chain((*chain.records, record), (*chain.macs, mac), chain.end + len(line), 0)


def _genesis(path: Path, key: bytes) -> str:
    """Return the mac that the first line continues from; it keeps a file from passing for another one."""
    return hmac.digest(key, b"privessel chain " + path.name.encode(), "sha256").hex()


def _line(record: dict, *, previous: str, key: bytes) -> bytes:
    body = json.dumps(record, sort_keys=True, allow_nan=False)
    mac = hmac.digest(key, previous.encode() + body.encode(), "sha256").hex()
    return (json.dumps({"mac": mac, "record": record}, sort_keys=True, allow_nan=False) + "\n").encode()


def _parsed(line: bytes) -> tuple[dict | None, str]:
    """Return the record and the mac of a line; None for the record where it is no line of a chain."""
    try:
        whole = json.loads(line)
        return dict(whole["record"]), str(whole["mac"])
    except (ValueError, TypeError, KeyError):
        return None, ""
