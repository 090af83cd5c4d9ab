"""The files for other programs: texts beside the pictures, and pictures that hold nothing else."""

import json
import struct
import zlib
from collections.abc import Iterator

CHANNEL = "TOF-MRA"  # nnU-Net would scale images of the channel "CT" in another way
PNG_NAMES = {"image": "image-{:05d}.png", "label": "label-{:05d}.png"}  # of a pair's number
SIGNATURE = b"\x89PNG\r\n\x1a\n"
LARGEST_CHUNK = 65_536  # bytes of one IDAT chunk, as Pillow divides them
FILTERS = 5  # of PNG, numbered from 0


def list_pairs(count: int) -> str:
    """Return pairs.csv: the names of each image's file and of its label's."""
    names = (",".join(form.format(number) for form in PNG_NAMES.values()) for number in range(count))
    return "".join(f"{line}\n" for line in [",".join(PNG_NAMES), *names])


def describe_nnunet(count: int) -> str:
    """Return dataset.json, in which nnU-Net v2 reads what a raw dataset holds."""
    description = {
        "channel_names": {"0": CHANNEL},
        "labels": {"background": 0, "vessel": 1},
        "numTraining": count,
        "file_ending": ".png",
        "overwrite_image_reader_writer": "NaturalImage2DIO",
    }
    return json.dumps(description, indent=1) + "\n"


def make_chunk(kind: bytes, content: bytes) -> bytes:
    """Return a chunk of a PNG: length, kind of four letters, content, checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def split_png(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield (kind, content) of every chunk up to the last, IEND; then whatever follows, its kind empty."""
    at = len(SIGNATURE)
    while at + 12 <= len(content):
        length, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
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
