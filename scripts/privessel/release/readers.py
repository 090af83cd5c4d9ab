"""Reading every part of a file of a release: its texts, its arrays, and whatever should not be in it."""

import gzip
import io
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import nibabel
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from privessel.release.weights import check_generator, read_strings

PROSE = (".md", ".json", ".py", "LICENSE")
EPOCH = (1980, 1, 1, 0, 0, 0)  # the time of a zip member that has none
ARRAYS = {"image": np.dtype(np.uint8), "label": np.dtype(bool)}  # of pairs.npz
PIXELS = {b"IHDR", b"IDAT", b"IEND"}  # chunks of a PNG that are its pixels and nothing else
NIFTI_TEXTS = ("data_type", "db_name", "descrip", "aux_file", "intent_name")


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
    place = 8
    while place < len(content):
        length, kind = int.from_bytes(content[place : place + 4]), content[place + 4 : place + 8]
        if kind not in PIXELS:
            body = content[place + 8 : place + 8 + length]
            found.odd.append(f"chunk {kind.decode('latin-1')}")
            found.metadata += [body.decode("latin-1"), _inflated(body)]
        place += 12 + length
        if kind == b"IEND" and place != len(content):
            found.odd.append("bytes behind its end")
            found.metadata.append(content[place:].decode("latin-1"))
            break
    with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
        if image.mode != "L":
            found.odd.append(f"mode {image.mode}")
            image = image.convert("L")
        found.arrays.append(np.asarray(image)[None])


def _inflated(chunk: bytes) -> str:
    """Return the text of a compressed text chunk (zTXt), and an empty text for any other chunk."""
    try:
        return zlib.decompress(chunk.partition(b"\0\0")[2]).decode("latin-1")
    except zlib.error:
        return ""


def _check_zip(content: bytes, found: Contents) -> None:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        comments = {"the archive": archive.comment}
        if len(set(archive.namelist())) < len(archive.namelist()):
            found.odd.append("two members of one name")  # most readers see only one of them
        for member in archive.infolist():
            comments[member.filename] = member.comment
            if member.date_time > EPOCH:
                found.odd.append(f"time of {member.filename}")
    found.odd += [f"comment of {name}" for name, comment in comments.items() if comment]
    found.metadata += [comment.decode("latin-1") for comment in comments.values()]


def _read_npz(content: bytes, found: Contents) -> None:
    _check_zip(content, found)
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        found.metadata += arrays.files
        for name in arrays.files:
            array = arrays[name]
            found.raw.append(array.tobytes())
            if ARRAYS.get(name) != array.dtype or array.ndim != 3:
                found.odd.append(f"array {name}, {array.dtype} {array.shape}")
            if array.dtype.kind in "US":
                found.metadata += [str(value) for value in array.ravel()]
            elif array.size <= 16:
                found.metadata += [f"{name} {value}" for value in array.ravel()]  # such as seed 2022
            elif array.ndim >= 2:
                found.arrays.append(array.reshape(-1, *array.shape[-2:]))


def _read_pt(content: bytes, found: Contents) -> None:
    _check_zip(content, found)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        found.raw += [archive.read(name) for name in archive.namelist()]
        # The names of members are prose, because tensors are called by numbers.
        found.prose += archive.namelist()
    found.prose += read_strings(content)
    found.odd += check_generator(content)


def _read_nifti(content: bytes, found: Contents) -> None:
    content = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
    found.raw.append(content)
    scan = nibabel.Nifti1Image.from_bytes(content)
    found.metadata += [bytes(scan.header[part]).decode("latin-1").strip("\0") for part in NIFTI_TEXTS]
    found.metadata += [bytes(part.get_content()).decode("latin-1") for part in scan.header.extensions]
    slices = np.moveaxis(np.asanyarray(scan.dataobj), 2, 0)
    found.arrays.append(slices.reshape(-1, *slices.shape[-2:]))
