"""The files of a release of heads: which there must be, and that scans hold voxels and their grid alone.

Headers are read by their bytes (NIfTI-1 and NIfTI-2), so that a check needs no package for images.
"""

import json
import re
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from privessel.deid.sidecar import write_sidecar
from privessel.release.checks.head_texts import TEXTS, describe_dataset
from privessel.release.checks.manifest import MANIFEST, PUBLIC_KEY, SIGNATURE

# The programs of a release of heads, and where they lie in the library.
CHECKS = (
    "__init__",
    "epsilon",
    "head_files",
    "head_texts",
    "heads",
    "licences",
    "manifest",
    "recipient",
    "signature",
)
ACCOUNTANT = (
    "privacy/accounting", "privacy/levels", "privacy/losses", "privacy/patient", "privacy/renyi", "errors",
    "limits", "deid/promise", "deid/sidecar", "study/hulls",
)  # fmt: skip
PROGRAMS = {"verify.py": "release/verify_heads.py"}
PROGRAMS |= {f"checks/{name}.py": f"release/checks/{name}.py" for name in CHECKS}
PROGRAMS |= {f"checks/{name.rpartition('/')[2]}.py": f"{name}.py" for name in ACCOUNTANT}
TABLE, DESCRIPTION, IGNORED, NUMBERS = (
    "participants.tsv", "dataset_description.json", ".bidsignore", "privacy.json",
)  # fmt: skip
CODE = r"[a-z2-7]{10}"
IMAGE = re.compile("/".join([rf"sub-({CODE})", r"ses-([1-9]\d*)", "anat", r"sub-\1_ses-\2_T1w\.nii\.gz"]))


@dataclass(frozen=True)
class Layout:
    """Where a header of one of NIfTI's two versions has what it may say, in bytes; all else must be empty.

    forms: the code of each of two ways to say where the grid lies, and the numbers that it is for.
    """

    magic: bytes
    set: tuple[tuple[int, int], ...]
    dim: tuple[int, str]
    pixdim: tuple[int, str]
    bits: int
    start: tuple[int, str]
    grid: tuple[tuple[int, int], ...]
    forms: tuple[tuple[int, str, int, int], ...]


LAYOUTS = {
    348: Layout(
        magic=b"n+1\0",
        set=((0, 4), (40, 56), (70, 74), (76, 120), (123, 124), (252, 328), (344, 348)),
        dim=(40, "<8h"), pixdim=(76, "<8f"), bits=72, start=(108, "<f"),
        grid=((40, 56), (76, 108), (123, 124), (252, 328)),
        forms=((252, "<h", 256, 280), (254, "<h", 280, 328)),
    ),
    540: Layout(
        magic=b"n+2\0\r\n\x1a\n",
        set=((0, 80), (104, 192), (344, 496), (500, 504)),
        dim=(16, "<8q"), pixdim=(104, "<8d"), bits=14, start=(168, "<q"),
        grid=((16, 80), (104, 168), (344, 496), (500, 504)),
        forms=((344, "<i", 352, 400), (348, "<i", 400, 496)),
    ),
}  # fmt: skip
_GZIP_PLAIN = b"\x1f\x8b\x08\x00\x00\x00\x00\x00"


def name_head(code: str, number: int) -> dict[str, str]:
    """Return the paths of the `image`, `mask` and `sidecar` of a person's scan of that number."""
    stem = "/".join([f"sub-{code}", f"ses-{number}", "anat", f"sub-{code}_ses-{number}"])
    return {
        "image": f"{stem}_T1w.nii.gz",
        "sidecar": f"{stem}_T1w.json",
        "mask": f"{stem}_mod-T1w_defacemask.nii.gz",
    }


def list_fixed(numbers: dict) -> set[str]:
    """Return the names of all files that a release with this privacy.json has, but for those of scans."""
    signed = {SIGNATURE, PUBLIC_KEY} if numbers["data"]["signed"] else set()
    return {*TEXTS, *PROGRAMS, TABLE, DESCRIPTION, IGNORED, NUMBERS, MANIFEST, *signed}


def write_table(codes: list[str]) -> str:
    """Return participants.tsv."""
    return "".join(f"{line}\n" for line in ["participant_id", *(f"sub-{code}" for code in sorted(codes))])


def write_ignored() -> str:
    """Return .bidsignore: what is in the folder beside a data set of BIDS."""
    return "".join(
        f"{name}\n" for name in ("PRIVACY.md", NUMBERS, "verify.py", "checks/", f"{MANIFEST}*", "site.pub")
    )


def to_json(content: object) -> str:
    """Return JSON as a release has it."""
    return json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def find_contradictions(folder: Path, numbers: dict) -> list[str]:
    """Return where files contradict privacy.json or each other: names, texts, and what scans hold."""
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    heads = sorted(match.groups() for name in there if (match := IMAGE.fullmatch(name)))
    named = {path for code, number in heads for path in name_head(code, int(number)).values()}
    expected = list_fixed(numbers) | named
    found = [f"{name} is missing, which these heads should have" for name in sorted(expected - there)[:5]]
    found += [f"{name} is no file of these heads" for name in sorted(there - expected)[:5]]
    holding = {parent.as_posix() for name in expected for parent in Path(name).parents}
    folders = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_dir()}
    found += [f"{name} is no folder of these heads" for name in sorted(folders - holding)[:5]]
    if found:
        return found
    codes = sorted({code for code, _ in heads})
    if (len(codes), len(heads)) != (numbers["people"], numbers["scans"]):
        found.append(f"there are {len(heads)} scans of {len(codes)} people, not as privacy.json has it")
    texts = {name: write(numbers) for name, write in TEXTS.items()}
    if (folder / NUMBERS).read_bytes() != to_json(numbers).encode():
        # Of an entry that stands there twice, programs read one or the other.
        found.append(f"{NUMBERS} is not as it was written: an entry stands there twice, or in another form")
    texts |= {
        TABLE: write_table(codes),
        IGNORED: write_ignored(),
        DESCRIPTION: to_json(describe_dataset(numbers)),
    }
    found += [
        f"{name} says other than privacy.json"
        for name, text in texts.items()
        if (folder / name).read_bytes() != text.encode()
    ]
    for code, number in heads:
        paths = name_head(code, int(number))
        found += compare_scan(paths, {kind: (folder / path).read_bytes() for kind, path in paths.items()})
    return found


def compare_scan(paths: dict[str, str], contents: dict[str, bytes]) -> list[str]:
    """Return what is odd in a scan, its mask and its sidecar, given as bytes by kind."""
    found, grids = [], {}
    for kind in ("image", "mask"):
        try:
            faults, grids[kind], voxels = _read_scan(contents[kind])
        except (ValueError, EOFError, OSError, struct.error, zlib.error) as problem:
            return [*found, f"{paths[kind]} cannot be read ({problem})"]
        found += [f"{paths[kind]} {fault}" for fault in faults]
    if grids["image"] != grids["mask"]:
        found.append(f"{paths['mask']} lies on another grid than its scan")
    if set(voxels) != {0, 1}:
        found.append(f"{paths['mask']} holds other values than 0 and 1, or one of them alone")
    sidecar = json.loads(contents["sidecar"])
    if not isinstance(sidecar, dict) or write_sidecar(sidecar).encode() != contents["sidecar"]:
        found.append(f"{paths['sidecar']} holds more than the scanner's settings that may be kept")
    return found


def _read_scan(content):
    """Return what is odd, the bytes that say where the grid lies, and those of the voxels."""
    faults = [] if content[:8] == _GZIP_PLAIN else ["has a name, a comment or a time in its gzip header"]
    reader = zlib.decompressobj(zlib.MAX_WBITS | 16)
    raw = reader.decompress(content)
    if not reader.eof or reader.unused_data:
        raise ValueError("its compressed bytes end too early, or more follow")
    size = struct.unpack_from("<i", raw)[0]
    if size not in LAYOUTS:
        raise ValueError("it is no NIfTI file")
    layout, empty = LAYOUTS[size], bytearray(raw[:size])
    for start, end in layout.set:
        empty[start:end] = bytes(end - start)
    for at, form, start, end in layout.forms:
        if struct.unpack_from(form, raw, at) == (0,):
            empty[start:end] = raw[start:end]
    if any(empty) or any(raw[size : size + 4]) or layout.magic not in raw[:size]:
        faults.append("has more in its header than the grid and the scale of its values")
    sides, spacing = (struct.unpack_from(form, raw, at) for at, form in (layout.dim, layout.pixdim))
    if sides[0] != 3 or set(sides[4:]) != {1} or set(spacing[4:]) != {1}:
        faults.append("has other axes than three of space")
    bits, (at, form) = struct.unpack_from("<h", raw, layout.bits)[0], layout.start
    first = int(struct.unpack_from(form, raw, at)[0])
    if first != size + 4 or len(raw) - first != sides[1] * sides[2] * sides[3] * bits // 8:
        faults.append("holds other bytes than its voxels")
    return faults, b"".join(raw[start:end] for start, end in layout.grid), raw[first:]
