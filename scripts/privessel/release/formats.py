"""What the arrays of a release may hold, to the byte: .npz files (of pictures see `checks/exports`).

The check builds the file again from the arrays that it must hold, and compares. Whatever the format
could carry besides, such as comments, times, further fields or bytes in between, is a difference.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MODE = 0o600  # of a zip member's file
EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip member can have
LARGEST_ARRAY = zipfile.ZIP64_LIMIT  # bytes; a larger member would need further fields
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
