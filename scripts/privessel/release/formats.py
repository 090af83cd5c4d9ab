"""What each format of a release may hold, to the byte: PNG, npz and saved tensors.

Each check builds the container again from what it must hold (pixels, arrays, weights) and compares. Whatever
a format could carry besides, such as comments, times, further chunks or bytes in between, is a difference.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from privessel.release.png import LARGEST_CHUNK, SIGNATURE, make_chunk

MODE = 0o600  # of a zip member's file
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip member can have
LARGEST_ARRAY = zipfile.ZIP64_LIMIT  # bytes; a larger member would need further fields
FILTERS = 5  # of PNG, numbered from 0
LOCAL, CENTRAL, END = "<4s5H3L2H", "<4s4B4H3L5H2L", "<4s4H2LH"  # structures of a zip file


def write_arrays(path: Path, arrays: Mapping[str, NDArray]) -> None:
    """Write arrays as .npz in the one form that a release may have: equal arrays give equal bytes.

    Raises ValueError for an array of 2 GiB or more.
    """
    with zipfile.ZipFile(path, "w") as archive:
        for name, array in arrays.items():
            if array.nbytes >= LARGEST_ARRAY:
                raise ValueError(f"array {name} has {array.nbytes:,} bytes; a release takes less than 2 GiB")
            member = zipfile.ZipInfo(f"{name}.npy", EPOCH)
            member.compress_type, member.external_attr = zipfile.ZIP_DEFLATED, MODE << 16
            archive.writestr(member, _npy_header(array.dtype, array.shape) + array.tobytes())


def find_odd_arrays(content: bytes, expected: Mapping[str, tuple[np.dtype, tuple[int, ...]]]) -> list[str]:
    """Return how an .npz differs from one of the arrays `expected`: type and shape by name, in order."""
    try:
        odd, members = _take_apart_zip(content)
    except (zlib.error, struct.error, zipfile.BadZipFile) as problem:
        return [f"no zip file ({problem})"]
    if odd:
        return odd
    if list(members) != [f"{name}.npy" for name in expected]:
        return [f"arrays {', '.join(members)}, not {', '.join(expected)}"]
    for name, (dtype, shape) in expected.items():
        member, header = members[f"{name}.npy"], _npy_header(dtype, shape)
        pixels = member[len(header) :]
        if not member.startswith(header):
            odd.append(f"array {name}: its header is not that of {dtype} {shape}")
        elif len(pixels) != dtype.itemsize * int(np.prod(shape)):
            odd.append(f"array {name}: bytes behind its end")
        elif dtype.kind == "b" and pixels.translate(None, b"\0\1"):
            odd.append(f"array {name}: values beside 0 and 1")
    return odd


def _npy_header(dtype: np.dtype, shape: tuple[int, ...]) -> bytes:
    header = io.BytesIO()
    described = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, described)
    return header.getvalue()


def _take_apart_zip(content: bytes) -> tuple[list[str], dict[str, bytes]]:
    """Return what is odd in a zip file, and its members' content, read from its first byte to its last."""
    members, whole, directory, at = {}, [], [], 0
    while content[at : at + 4] == b"PK\x03\x04":
        fields = struct.unpack_from(LOCAL, content, at)
        start = at + struct.calcsize(LOCAL)
        name, packed = content[start : start + fields[9]], start + fields[9] + fields[10]
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        member = inflate.decompress(content[packed:])
        end = len(content) - len(inflate.unused_data)
        if not inflate.eof or name.decode("latin-1") in members:
            return ["a zip member that is not whole, or occurs twice"], {}
        members[name.decode("latin-1")] = member
        # No flags; deflated; midnight of the earliest day; no further fields.
        about = (20, 0, 8, 0, 33, zlib.crc32(member), end - packed, len(member), len(name), 0)
        whole += [struct.pack(LOCAL, b"PK\x03\x04", *about), name, content[packed:end]]
        version = (20, 3)  # 2.0, on Unix
        directory += [
            struct.pack(CENTRAL, b"PK\x01\x02", *version, 20, 0, *about[1:], 0, 0, 0, MODE << 16, at),
            name,
        ]
        at = end
    listed = b"".join(directory)
    closing = struct.pack(END, b"PK\x05\x06", 0, 0, len(members), len(members), len(listed), at, 0)
    if b"".join([*whole, listed, closing]) == content:
        return [], members
    return list(_name_odd_parts(content)) or ["parts of a zip file that a release does not have"], members


def _name_odd_parts(content: bytes) -> Iterator[str]:
    """Yield what is unusual in a zip file, by Python's own reader."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if archive.comment:
            yield "comment of the archive"
        for member in archive.infolist():
            local = content[member.header_offset :][: struct.calcsize(LOCAL)]
            if member.comment:
                yield f"comment of {member.filename}"
            if member.extra or struct.unpack(LOCAL, local)[10]:
                yield f"extra field of {member.filename}"
            if member.date_time != EPOCH:
                yield f"time of {member.filename}"


def split_png(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (kind, content) of every chunk up to the last, IEND; then whatever follows, its kind empty."""
    at = len(SIGNATURE)
    while at + 12 <= len(content):
        length, kind = int.from_bytes(content[at : at + 4]), content[at + 4 : at + 8]
        yield kind, content[at + 8 : at + 8 + length]
        at += 12 + length
        if kind == b"IEND":
            break
    if content[at:]:
        yield b"", content[at:]


def find_odd_png(content: bytes, size: int) -> list[str]:
    """Return how a PNG differs from one 8-bit greyscale image of size x size pixels and nothing else."""
    chunks = list(split_png(content))
    if chunks and not chunks[-1][0]:
        return ["bytes behind its end"]
    odd = [f"chunk {kind.decode('latin-1')}" for kind, _ in chunks if kind not in (b"IHDR", b"IDAT", b"IEND")]
    if odd:
        return odd
    kinds = [kind for kind, _ in chunks]
    if len(kinds) < 3 or kinds != [b"IHDR", *[b"IDAT"] * (len(kinds) - 2), b"IEND"] or chunks[-1][1]:
        return ["no PNG, or chunks in another order"]
    if chunks[0][1] != struct.pack(">2I5B", size, size, 8, 0, 0, 0, 0):
        return [f"a header that is not of {size} x {size} grey pixels of 8 bits"]
    if SIGNATURE + b"".join(make_chunk(*chunk) for chunk in chunks) != content:
        return ["a damaged chunk"]
    return _find_odd_pixels([body for _, body in chunks[1:-1]], size)


def _find_odd_pixels(parts: list[bytes], size: int) -> list[str]:
    most = max(LARGEST_CHUNK, 4 * size)
    if any(len(part) != most for part in parts[:-1]) or not 0 < len(parts[-1]) <= most:
        return ["pixels in chunks of other lengths"]
    inflate, rows = zlib.decompressobj(), size * (size + 1)
    try:
        filtered = inflate.decompress(b"".join(parts), rows + 1)
    except zlib.error:
        return ["pixels that cannot be decompressed"]
    if len(filtered) != rows or not inflate.eof or inflate.unused_data:
        return ["more or fewer bytes than its pixels"]
    return ["rows of an unknown filter"] if max(filtered[:: size + 1]) >= FILTERS else []
