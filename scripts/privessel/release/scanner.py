"""The search of a finished archive: a release is published only if this finds nothing that must not leave.

It reads the final bytes of every file, whatever has written them: the file's name, its content, and all that
its format can carry beside the pixels. Whatever `allowed` does not name is a finding, and so is each trace of
people, places and secrets (`traces`).
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from privessel.errors import PrivacyError
from privessel.release.allowed import ARRAYS, UNKNOWN, Inspection, Outline, write_manifest
from privessel.release.checks.manifest import MANIFEST
from privessel.release.readers import Contents, read_behind_pixels, take_apart
from privessel.release.traces import Forbidden, Traces
from privessel.release.unpacking import read_members

log = logging.getLogger(__name__)

SHOWN = 20  # findings named in an error


@dataclass(frozen=True, order=True)
class Finding:
    """Something in a file of an archive that must not leave."""

    file: str
    kind: str
    what: str

    def __str__(self) -> str:
        return f"{self.file}: {self.kind} ({self.what})"


def scan(archive: Path, *, outline: Outline, forbidden: Forbidden) -> list[Finding]:
    """Return everything in a .tar.gz that must not leave, in order; an empty list if it may leave.

    outline: what the release says and how many pairs it has, from which follows all that may be in it.
    Patients' patches are not looked at: whether a release is published may not depend on them
    (docs/privacy.md).
    """
    search, found = _Search(Traces(forbidden), outline), []
    for member in read_members(archive):
        name, inside = member.name or archive.name, member.name.partition("/")[2]
        found += [Finding(name, *odd) for odd in member.odd]
        for text in [member.name, *member.spare]:
            found += [Finding(name, *trace) for trace in search.traces.find(text, prose=False)]
        if member.name and member.plain:
            if not inside or member.name != f"{outline.terms.name}/{inside}":
                found.append(Finding(name, "unknown file", "a release has one folder, of its name"))
            found += [Finding(name, *odd) for odd in search.look_into(inside, member.content)]
    found += search.finish()
    return sorted(set(found))


def require_clean(findings: Sequence[Finding], *, name: str) -> None:
    """Raise PrivacyError if anything was found; release.override does not help here."""
    if findings:
        more = f"; and {len(findings) - SHOWN} more" if len(findings) > SHOWN else ""
        raise PrivacyError(
            f"{name} was not released; its archive holds what must not leave: "
            f"{'; '.join(map(str, findings[:SHOWN]))}{more}. Remedy: take it out of the config's `release`, "
            "or `deid.release`, if it is there; anything else is a defect of privessel"
        )
    log.info("%s: nothing in the archive that must not leave", name)


class _Search:
    """What is looked for in the content of files; pictures of the same bytes are taken apart once."""

    def __init__(self, traces: Traces, outline: Outline) -> None:
        self.traces = traces
        self._shape = outline.size, outline.size
        self._folder = outline.terms.name
        self._inspection = Inspection(outline)
        self._pictures: dict[str, tuple[list[tuple[str, str]], bytes]] = {}
        self._shown: dict[str, bytes] = {}  # SHA-256 of each picture's pixels
        self._pairs: list[NDArray] = []
        self._manifest = ""

    def look_into(self, name: str, content: bytes) -> list[tuple[str, str]]:
        """Return (kind, what was found) for a file, and keep its pixels for the comparison at the end."""
        odd = self._inspection.look_at(name, content)
        found = [("unknown file" if one == UNKNOWN else "odd content", one) for one in odd]
        if name == MANIFEST:
            self._manifest = content.decode("utf-8", "replace")
        elif not name.endswith(".png"):
            contents = take_apart(name, content)
            found += self._search(name, contents)
            self._pairs = contents.arrays if name == ARRAYS else self._pairs
        else:
            digest = self._inspection.digests[name]
            if digest not in self._pictures:
                contents = take_apart(name, content)
                if odd:
                    contents.metadata.append(read_behind_pixels(content))
                self._pictures[digest] = self._search(name, contents), _digest_pixels(contents.arrays)
            more, self._shown[name] = self._pictures[digest]
            found += more
        return found

    def finish(self) -> list[Finding]:
        """Return what shows only when all files are known."""
        odd = self._inspection.finish()
        if [array.dtype for array in self._pairs] == [np.uint8, bool]:
            odd += self._inspection.compare_pixels(self._shown, *self._pairs)
        found = [Finding(f"{self._folder}/{name}", "odd content", one) for name, one in odd]
        # Lines with the right digest hold nothing else, and there may be hundreds of thousands.
        right = set(write_manifest(self._inspection.digests).splitlines())
        rest = "\n".join(line for line in self._manifest.splitlines() if line not in right)
        traces = self.traces.find(rest, prose=True)
        return found + [Finding(f"{self._folder}/{MANIFEST}", *trace) for trace in traces]

    def _search(self, name: str, contents: Contents) -> list[tuple[str, str]]:
        found = [("odd content", odd) for odd in contents.odd]
        for raw in contents.raw:
            found += self.traces.find_keys(raw)
        for texts, prose in ((contents.prose, True), (contents.metadata, False)):
            for text in texts:
                found += self.traces.find(text, prose=prose)
        return found + [
            ("odd size", f"{array.shape[1:]}, not {self._shape[0]} x {self._shape[1]} pixels")
            for array in contents.arrays
            if array.shape[1:] != self._shape
        ]


def _digest_pixels(arrays: list[NDArray]) -> bytes:
    return sha256(np.ascontiguousarray(arrays[0])).digest() if arrays else b""
