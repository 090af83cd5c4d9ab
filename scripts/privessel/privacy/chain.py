"""An append-only file whose lines are chained by a keyed hash: edits, reordering and truncation show.

Each line is a JSON record and its `mac`: HMAC-SHA256 of the line before's mac and the record, under a key
only the site has; the first line continues from the file's name. Cutting lines off the end leaves a valid
chain, so the head (number of lines and last mac) is kept elsewhere too, and compared.
"""

import errno
import hmac
import json
import os
from dataclasses import dataclass
from pathlib import Path

from privessel.errors import PrivacyError
from privessel.files.atomic import sync_folder


@dataclass(frozen=True)
class Head:
    """Where a chain stood: how many lines, and the last one's mac."""

    lines: int
    mac: str


@dataclass(frozen=True)
class Chain:
    """What a chained file holds: records, the macs of their lines, and where the whole lines end (bytes)."""

    records: tuple[dict, ...]
    macs: tuple[str, ...]
    end: int
    torn: int  # bytes behind `end`, of a line whose writing was cut short

    @property
    def head(self) -> Head:
        """The chain's head; of an empty chain, no lines and no mac."""
        return Head(len(self.macs), self.macs[-1] if self.macs else "")


def read_chain(path: Path, *, key: bytes, head: Head | None = None) -> Chain:
    """Read and verify the chain at `path`; a file that is absent is an empty chain.

    A last line that was cut short by a crash is left out: its writer never returned, so nothing rests on it.
    Raises PrivacyError when a line was edited, moved, removed or written under another key, and when the
    chain does not contain `head`, where it is known to have stood.
    """
    content = path.read_bytes() if path.exists() else b""
    records, macs, end = [], [], 0
    for line in content.splitlines(keepends=True):
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
            "Restore the file, with the master secret it was made under, from a backup"
        )
    if head is not None and head.lines and (len(macs) < head.lines or macs[head.lines - 1] != head.mac):
        raise PrivacyError(
            f"{path}: line {head.lines}, which a checkpoint or report refers to, is missing or another "
            "one: charges were removed. Restore the file from a backup"
        )
    return Chain(tuple(records), tuple(macs), end, len(rest))


def append(path: Path, record: dict, *, key: bytes, chain: Chain) -> Chain:
    """Add `record` to the file that `chain` was read from; it is on disk when this returns the longer chain.

    Raises PrivacyError when the file is not as long as `chain` says: another process has written to it.
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
        written = os.write(descriptor, line)
        if written != len(line):
            short = f"disk full, only {written} of {len(line)} bytes could be written"
            raise OSError(errno.ENOSPC, short, str(path))
        os.fsync(descriptor)
    except OSError as error:
        error.filename = str(path)  # writing to an open file names none
        raise
    finally:
        os.close(descriptor)
    if not chain.macs:
        sync_folder(path.parent)
    mac = _parsed(line)[1]
    return Chain((*chain.records, record), (*chain.macs, mac), chain.end + len(line), 0)


def _genesis(path: Path, key: bytes) -> str:
    """Return what the first line continues from, so that a file cannot pass for another one."""
    return hmac.digest(key, b"privessel chain " + path.name.encode(), "sha256").hex()


def _line(record: dict, *, previous: str, key: bytes) -> bytes:
    body = json.dumps(record, sort_keys=True, allow_nan=False)
    mac = hmac.digest(key, previous.encode() + body.encode(), "sha256").hex()
    return (json.dumps({"mac": mac, "record": record}, sort_keys=True, allow_nan=False) + "\n").encode()


def _parsed(line: bytes) -> tuple[dict | None, str]:
    """Return a line's record and mac; no record where it is not a line of a chain at all."""
    try:
        whole = json.loads(line)
        return dict(whole["record"]), str(whole["mac"])
    except (ValueError, TypeError, KeyError):
        return None, ""
