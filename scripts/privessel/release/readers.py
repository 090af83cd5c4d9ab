"""Reading every part of a file of a release for the search: texts, arrays, and bytes that were compressed.

Whether a part may be there at all is for `allowed` to say. This reads whatever is there, also from files that
no release has, so that an error can tell what it would have given away.
"""

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import nibabel
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from privessel.release.checks.exports import split_png
from privessel.release.spelling import inflate
from privessel.release.weights import read_strings

PROSE = (".md", ".json", ".py", "LICENSE")
PIXELS = {b"IHDR", b"IDAT", b"IEND"}  # chunks of a PNG that are its pixels and nothing else
NIFTI_TEXTS = ("data_type", "db_name", "descrip", "aux_file", "intent_name")
NPY_HEADER = 10  # bytes before the text of an array's header


@dataclass
class Contents:
    """The parts of a file: texts to search, `arrays` of pixels (n, s, s), and what is `odd` in itself."""

    prose: list[str] = field(default_factory=list)
    metadata: list[str] = field(default_factory=list)
    arrays: list[NDArray] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)  # the file as it is, and each part of it decompressed


def take_apart(name: str, content: bytes) -> Contents:
    """Return the parts of the file `name`; a file that cannot be read is reported as odd."""
    readers: dict[str, Callable[[bytes, Contents], None]] = {
        ".png": _read_png,
        ".npz": _read_npz,
        ".pt": _read_pt,
        ".nii": _read_nifti,
        ".nii.gz": _read_nifti,
        ".sig": _read_signature,
    }
    found = Contents(raw=[content])
    reader = next((reader for suffix, reader in readers.items() if name.endswith(suffix)), None)
    try:
        if reader:
            reader(content, found)
        else:
            (found.prose if name.endswith(PROSE) else found.metadata).append(_text(content, found))
    except Exception as problem:  # arbitrary bytes break readers in arbitrary ways
        found.odd.append(f"cannot be read ({str(problem).partition(chr(10))[0]})")
    return found


def _text(content: bytes, found: Contents) -> str:
    try:
        return content.decode()
    except UnicodeDecodeError:
        found.odd.append("is no text")
        # Latin-1 can decode any bytes, so that texts in a file of an unknown kind are searched, too.
        return content.decode("latin-1")


def _read_signature(content: bytes, found: Contents) -> None:
    if len(content) != 64:
        found.odd.append("is no signature")
        found.metadata.append(content.decode("latin-1"))


def _read_png(content: bytes, found: Contents) -> None:
    for kind, body in split_png(content):
        if kind not in PIXELS or (kind == b"IEND" and body):
            _read_spare(kind + b" " + body, found)
    with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        found.arrays.append(np.asarray(image if image.mode == "L" else image.convert("L"))[None])


def read_behind_pixels(content: bytes) -> str:
    """Return what stands in the pixels' chunks of a PNG behind the last pixel, where nothing may stand."""
    with suppress(zlib.error, ValueError):
        reader = zlib.decompressobj()
        reader.decompress(b"".join(body for kind, body in split_png(content) if kind == b"IDAT"))
        return reader.unused_data.decode("latin-1")
    return ""


def _read_spare(content: bytes, found: Contents) -> None:
    """Keep bytes beside those that a format needs as text, and what they hold compressed."""
    if content:
        found.raw.append(content)
        for part in (content, *inflate(content)):
            found.metadata += {part.decode("latin-1"), part.decode("utf-8", "replace")}


def _read_zip(content: bytes, found: Contents) -> None:
    """Keep comments, further fields and whatever stands between, before or behind the members."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        spare, used = [archive.comment], [(archive.start_dir, len(content))]
        for member in archive.infolist():
            # Names and lengths of the header in front of a member, which readers do not look at.
            name, extra = struct.unpack_from("<2H", content, member.header_offset + 26)
            start = member.header_offset + 30
            end = start + name + extra + member.compress_size
            used.append((member.header_offset, end + _descriptor_length(content[end:], member)))
            spare += [member.comment, member.extra, content[start + name : start + name + extra]]
            if content[start : start + name] != member.filename.encode():
                spare.append(content[start : start + name])
    reached = 0
    for start, end in sorted(used):
        spare.append(content[reached:start])
        reached = max(reached, end)
    for part in spare:
        _read_spare(part, found)


def _descriptor_length(behind: bytes, member: zipfile.ZipInfo) -> int:
    """Return how many bytes behind a member only repeat its checksum and lengths, as torch writes them.

    They are random bytes to a search for texts, and would now and then look like a path.
    """
    checksum = b"PK\x07\x08" + struct.pack("<I", member.CRC)
    for form in ("<QQ", "<II"):
        descriptor = checksum + struct.pack(form, member.compress_size, member.file_size)
        if member.flag_bits & 0x08 and behind.startswith(descriptor):
            return len(descriptor)
    return 0


def _read_npz(content: bytes, found: Contents) -> None:
    _read_zip(content, found)
    starts = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            member = archive.read(name)
            starts[name] = NPY_HEADER + int.from_bytes(member[NPY_HEADER - 2 : NPY_HEADER], "little")
            # Prose, because its numbers are the array's sizes.
            found.prose.append(member[NPY_HEADER : starts[name]].decode("latin-1"))
            found.raw.append(member)
    members = dict(zip(starts, found.raw[-len(starts) :], strict=True))
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        found.metadata += arrays.files
        for name, array in arrays.items():
            _read_spare(members[f"{name}.npy"][starts[f"{name}.npy"] + array.nbytes :], found)
            if array.dtype.kind in "US":
                found.metadata += [str(value) for value in array.ravel()]
            elif array.size <= 16:
                found.metadata += [f"{name} {value}" for value in array.ravel()]  # such as seed 2022
            elif array.ndim >= 2:
                found.arrays.append(array.reshape(-1, *array.shape[-2:]))


def _read_pt(content: bytes, found: Contents) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        found.raw += [archive.read(name) for name in archive.namelist()]
        # The names of members are prose, because tensors are called by numbers.
        found.prose += archive.namelist()
    found.prose += read_strings(content)
    _read_zip(content, found)


def _read_nifti(content: bytes, found: Contents) -> None:
    content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    found.raw.append(content)
    scan = nibabel.Nifti1Image.from_bytes(content)
    found.metadata += [bytes(scan.header[part]).decode("latin-1").strip("\0") for part in NIFTI_TEXTS]
    found.metadata += [bytes(part.get_content()).decode("latin-1") for part in scan.header.extensions]
    slices = np.moveaxis(np.asanyarray(scan.dataobj), 2, 0)
    found.arrays.append(slices.reshape(-1, *slices.shape[-2:]))
