"""The search of a finished archive: a release is published only if this finds nothing that must not leave.

It reads the final bytes of every file, whatever has written them: the file's name, its content, and all that
its format can carry beside the pixels. It knows which files a release has; any other file is a finding.
"""

import logging
import re
import tarfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from privessel.cohort.patches import Patches
from privessel.errors import PrivacyError
from privessel.release.copies import find_copies
from privessel.release.readers import take_apart
from privessel.release.traces import Forbidden, Traces

log = logging.getLogger(__name__)

KNOWN = re.compile(
    r"README\.md|PRIVACY\.md|LICENSE|MANIFEST\.sha256(?:\.sig)?|privacy\.json|croissant\.json"
    r"|verify\.py|checks/[a-z_]+\.py|site\.pub"
    r"|data/pairs\.npz|data/png/(?:pairs\.csv|(?:image|label)-\d{5}\.png)"
    r"|data/nnunet/Dataset\d{3}_[A-Za-z0-9_-]+/"
    r"(?:dataset\.json|imagesTr/case_\d{5}_0000\.png|labelsTr/case_\d{5}\.png)"
    r"|model/generator\.pt"
)
SHOWN = 20  # findings named in an error
BLOCK = 512  # images of one array that are looked at together


@dataclass(frozen=True, order=True)
class Finding:
    """Something in a file of an archive that must not leave."""

    file: str
    kind: str
    what: str

    def __str__(self) -> str:
        return f"{self.file}: {self.kind} ({self.what})"


def scan(archive: Path, *, forbidden: Forbidden, real: Iterable[Patches], size: int) -> list[Finding]:
    """Return everything in a .tar.gz that must not leave, in order; an empty list if it may leave.

    `real` are patches of patients, of `size` pixels a side. Copies of their images and labels are findings.
    """
    search, found = _Search(Traces(forbidden), size), []
    found += [Finding(archive.name, "gzip header", odd) for odd in _odd_gzip(archive)]
    with tarfile.open(archive, "r:gz") as tar:
        for member in tar:
            inside = member.name.partition("/")[2]
            found += [Finding(member.name, "tar header", odd) for odd in _odd_member(member)]
            found += [Finding(member.name, *trace) for trace in search.traces.find(member.name, prose=False)]
            if not member.isfile():
                continue
            if not KNOWN.fullmatch(inside):
                found.append(Finding(member.name, "unknown file", "a release has no such file"))
            content = tar.extractfile(member).read()
            found += [Finding(member.name, *odd) for odd in search.look_into(member.name, content)]
    found += search.pixels.compare(real)
    return sorted(set(found))


def require_clean(findings: Sequence[Finding], *, name: str) -> None:
    """Raise PrivacyError if anything was found; release.override does not help here."""
    if findings:
        more = f"; and {len(findings) - SHOWN} more" if len(findings) > SHOWN else ""
        raise PrivacyError(
            f"{name} was not released; its archive holds what must not leave: "
            f"{'; '.join(map(str, findings[:SHOWN]))}{more}. Remedy: take it out of the config's `release` "
            "if it is there. A copy of a patient's patch means that this generator must not be released at "
            "all; anything else is a defect of privessel"
        )
    log.info("%s: nothing in the archive that must not leave", name)


class _Search:
    """What is looked for in the content of files; pictures of the same bytes are taken apart once."""

    def __init__(self, traces: Traces, size: int) -> None:
        self.traces = traces
        self.pixels = _Pixels(size)
        self._pictures: dict[bytes, list[tuple[str, str]]] = {}

    def look_into(self, file: str, content: bytes) -> list[tuple[str, str]]:
        """Return (kind, what was found) for a file, and keep its pixels for the comparison at the end."""
        if not file.endswith(".png"):
            return self._take_apart(file, content)
        digest = sha256(content).digest()
        if digest not in self._pictures:
            self._pictures[digest] = self._take_apart(file, content)
        return self._pictures[digest]

    def _take_apart(self, file: str, content: bytes) -> list[tuple[str, str]]:
        contents = take_apart(file, content)
        found = [("odd content", odd) for odd in contents.odd]
        for raw in contents.raw:
            found += self.traces.find_keys(raw)
        for texts, prose in ((contents.prose, True), (contents.metadata, False)):
            for text in texts:
                found += self.traces.find(text, prose=prose)
        for array in contents.arrays:
            found += self.pixels.add(file, array)
        return found


class _Pixels:
    """The images and labels of an archive, each once, and the files that they are in."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._images: dict[bytes, tuple[NDArray, str]] = {}
        self._labels: dict[bytes, tuple[NDArray[np.bool_], str]] = {}

    def add(self, file: str, array: NDArray) -> list[tuple[str, str]]:
        """Keep the images (n, s, s) of a file; return a finding if no release has such a size."""
        if array.shape[1:] != (self._size, self._size):
            return [("odd size", f"{array.shape[1:]}, not {self._size} x {self._size} pixels")]
        for start in range(0, len(array), BLOCK):
            part = array[start : start + BLOCK]
            rows = part.reshape(len(part), self._size**2)
            high = rows > rows.min(axis=1, keepdims=True)
            # What has two values is a label, whichever they are.
            is_label = (~high | (rows == rows.max(axis=1, keepdims=True))).all(axis=1)
            for number, label in enumerate(is_label.tolist()):
                kept, pixels = (self._labels, high) if label else (self._images, rows)
                place = file if len(array) == 1 else f"{file}, number {start + number}"
                kept.setdefault(sha256(pixels[number]).digest(), (pixels[number], place))
        return []

    def compare(self, real: Iterable[Patches]) -> list[Finding]:
        """Return every copy of a real image or label."""
        copied, outlined = find_copies(self._stack(self._images), self._stack(self._labels), real)
        places = [[place for _, place in kept.values()] for kept in (self._images, self._labels)]
        found = [Finding(places[0][number], "real patch", "a copy of a patient's image") for number in copied]
        return found + [
            Finding(places[1][number], "real label", "a copy of a patient's label") for number in outlined
        ]

    def _stack(self, kept: dict[bytes, tuple[NDArray, str]]) -> NDArray:
        shape = len(kept), self._size, self._size
        return (
            np.stack([pixels for pixels, _ in kept.values()]).reshape(shape)
            if kept
            else np.empty(shape, bool)
        )


def _odd_gzip(archive: Path) -> Iterator[str]:
    with archive.open("rb") as file:
        header = file.read(10)
    if header[3]:
        yield "a file name or comment"
    if any(header[4:8]):
        yield "a time"


def _odd_member(member: tarfile.TarInfo) -> Iterator[str]:
    if not (member.isfile() or member.isdir()):
        yield "no plain file"
    if member.mtime:
        yield "a time"
    if member.uid or member.gid or member.uname or member.gname:
        yield f"an owner ({member.uname or member.uid})"
    if member.pax_headers:
        yield f"further headers ({', '.join(member.pax_headers)})"
