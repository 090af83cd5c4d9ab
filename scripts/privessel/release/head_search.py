"""The search of a finished archive of heads: it may leave only if this finds nothing that must not.

It reads the final bytes of every file, whatever has written them, and compares each with what it may hold:

| file | what it may hold |
|---|---|
| names | codes of people, and the names that follow from them |
| scans, defacing masks | to the byte what was verified, and is written of voxels and grid; a mask is 0 or 1 |
| sidecars | to the byte what is written of the numbers and terms that a sidecar may keep |
| other texts, verify.py, checks/ | to the byte what templates make of privacy.json; this package's programs |
| MANIFEST.sha256 | the digests of these files, and its signature |

Traces of people, places and secrets (`traces`) are a second net below this one, and the only one for the
site's own words.
"""

import gzip
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from privessel.cohort.nifti import decode_image
from privessel.deid.sidecar import write_sidecar
from privessel.deid.verify import pack_scan
from privessel.privacy.signing import Signer
from privessel.release.allowed import write_manifest
from privessel.release.checks.manifest import MANIFEST, SIGNATURE
from privessel.release.scanner import Finding
from privessel.release.traces import Forbidden, Traces
from privessel.release.unpacking import read_members

# Where the recipient's check imports from in the library; in a release all of it lies in `checks`.
LIBRARY = re.compile(r"privessel(?:\.release\.checks|\.privacy|\.deid|\.study)?(?=\.\w+ import )")


@dataclass(frozen=True)
class HeadOutline:
    """All that the files of a release of heads follow from, but for the scans themselves.

    name: of the release. texts: each text by its path, as templates give it. scans: the SHA-256 of each file
    of scans by its path, as it was verified. signer: whose signature it has, if it has one.
    """

    name: str
    texts: Mapping[str, str]
    scans: Mapping[str, str]
    signer: Signer | None

    @property
    def expected(self) -> set[str]:
        """The paths of all files."""
        return {*self.texts, *self.scans, MANIFEST, *([SIGNATURE] if self.signer else [])}


def search_heads(archive: Path, *, outline: HeadOutline, forbidden: Forbidden) -> list[Finding]:
    """Return everything in a .tar.gz of heads that must not leave, in order; nothing if it may."""
    traces, found, last = Traces(forbidden), [], {}
    digests: dict[str, str] = {}
    for member in read_members(archive):
        shown, inside = member.name or archive.name, member.name.partition("/")[2]
        found += [Finding(shown, *odd) for odd in member.odd]
        for text in [member.name, *member.spare]:
            found += [Finding(shown, *trace) for trace in traces.find(text, prose=False)]
        if not (member.name and member.plain):
            continue
        if member.name != f"{outline.name}/{inside}" or inside in digests or inside not in outline.expected:
            found.append(
                Finding(shown, "unknown file", "a release of heads has no such file, or has it once")
            )
        digests[inside] = sha256(member.content).hexdigest()
        if inside in (MANIFEST, SIGNATURE):
            last[inside] = member.content
        else:
            if outline.scans.get(inside, digests[inside]) != digests[inside]:
                found.append(Finding(shown, "odd content", "is not the file that was verified"))
            found += [Finding(shown, *one) for one in _look_into(inside, member.content, outline, traces)]
    missing = outline.expected - set(digests)
    found += [Finding(f"{outline.name}/{one}", "odd content", "is missing") for one in missing]
    manifest = write_manifest(digests).encode()
    wanted = {MANIFEST: manifest} | ({SIGNATURE: outline.signer.sign(manifest)} if outline.signer else {})
    found += [
        Finding(f"{outline.name}/{one}", "odd content", "does not belong to the other files")
        for one, content in last.items()
        if content != wanted.get(one)
    ]
    return sorted(set(found))


def _look_into(
    inside: str, content: bytes, outline: HeadOutline, traces: Traces
) -> Iterator[tuple[str, str]]:
    """Yield what a file holds beside what it may, and every trace in it."""
    if inside.endswith(".nii.gz"):
        raw, faults = _read_scan(inside, content)
        yield from (("odd content", fault) for fault in faults)
        yield from (one for part in (content, raw) for one in traces.find_keys(part))
        return
    text = content.decode("utf-8", "replace")
    if inside in outline.texts and text != outline.texts[inside]:
        yield "odd content", "is not what its template gives"
    if inside in outline.scans:
        yield from (("odd content", fault) for fault in _find_odd_sidecar(text))
    yield from traces.find(text, prose=not inside.endswith((".tsv", "T1w.json")))


def _read_scan(inside: str, content: bytes) -> tuple[bytes, list[str]]:
    """Return the unpacked bytes, and why a scan or mask is not to the byte what is written of its voxels."""
    try:
        raw = gzip.decompress(content)
        image = decode_image(raw)
        stored = np.asanyarray(image.dataobj.get_unscaled())
        again = pack_scan(stored, image.header, slope=image.dataobj.slope, intercept=image.dataobj.inter)
    except Exception as problem:  # arbitrary bytes break readers in arbitrary ways
        return b"", [f"cannot be read ({str(problem).partition(chr(10))[0]})"]
    faults = [] if again == content else ["holds more than its voxels and their grid"]
    if inside.endswith("_defacemask.nii.gz") and set(np.unique(stored).tolist()) - {0, 1}:
        faults.append("is no mask of 0 and 1")
    return raw, faults


def _find_odd_sidecar(text: str) -> list[str]:
    """Return why a sidecar is not to the byte what may be kept of one."""
    try:
        again = write_sidecar(json.loads(text))
    except (ValueError, AttributeError) as problem:
        return [f"cannot be read ({problem})"]
    return [] if again == text else ["holds more than the settings of the scanner that may be kept"]
