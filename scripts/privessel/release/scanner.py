"""The search of a finished archive: a release is published only if this finds nothing that must not leave.

It reads the final bytes of every file, whatever has written them: the file's name, its content, and all that
its format can carry beside the pixels. It knows which files a release has; any other file is a finding.
"""

import logging
import re
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from privessel.errors import PrivacyError
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


@dataclass(frozen=True, order=True)
class Finding:
    """Something in a file of an archive that must not leave."""

    file: str
    kind: str
    what: str

    def __str__(self) -> str:
        return f"{self.file}: {self.kind} ({self.what})"


def scan(archive: Path, *, forbidden: Forbidden, size: int) -> list[Finding]:
    """Return everything in a .tar.gz that must not leave, in order; an empty list if it may leave.

    `size` are the pixels of a patch's side. Patients' patches are not looked at: whether a release is
    published may not depend on them (docs/privacy.md).
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
    return sorted(set(found))


def require_clean(findings: Sequence[Finding], *, name: str) -> None:
    """Raise PrivacyError if anything was found; release.override does not help here."""
    if findings:
        more = f"; and {len(findings) - SHOWN} more" if len(findings) > SHOWN else ""
        raise PrivacyError(
            f"{name} was not released; its archive holds what must not leave: "
            f"{'; '.join(map(str, findings[:SHOWN]))}{more}. Remedy: take it out of the config's `release` "
            "if it is there; anything else is a defect of privessel"
        )
    log.info("%s: nothing in the archive that must not leave", name)


class _Search:
    """What is looked for in the content of files; pictures of the same bytes are taken apart once."""

    def __init__(self, traces: Traces, size: int) -> None:
        self.traces = traces
        self.shape = size, size
        self._pictures: dict[bytes, list[tuple[str, str]]] = {}

    def look_into(self, file: str, content: bytes) -> list[tuple[str, str]]:
        """Return (kind, what was found) for a file, its parts and the sizes of its pictures."""
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
        return found + [
            ("odd size", f"{array.shape[1:]}, not {self.shape[0]} x {self.shape[1]} pixels")
            for array in contents.arrays
            if array.shape[1:] != self.shape
        ]


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
