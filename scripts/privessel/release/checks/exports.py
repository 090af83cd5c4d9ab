"""The files for other programs: texts beside the pictures, and pictures that hold nothing else."""

import json
import zlib

CHANNEL = "TOF-MRA"  # nnU-Net would scale images of the channel "CT" in another way
PNG_NAMES = {"image": "image-{:05d}.png", "label": "label-{:05d}.png"}  # of a pair's number
_SIGNATURE = bytes.fromhex("89504e470d0a1a0a")


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


def is_picture(content: bytes, size: int) -> bool:
    """Whether the bytes are a PNG of size x size grey pixels and nothing before, between or after them."""
    kinds, pixels, place = [], b"", len(_SIGNATURE)
    if content[:place] != _SIGNATURE:
        return False
    while place < len(content):
        length = int.from_bytes(content[place : place + 4], "big")
        kind, part = content[place + 4 : place + 8], content[place + 8 : place + 8 + length]
        check = content[place + 8 + length : place + 12 + length]
        if check != zlib.crc32(kind + part).to_bytes(4, "big"):
            return False
        kinds.append((kind, length))
        pixels += part if kind == b"IDAT" else b""
        if kind == b"IHDR" and part != size.to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0]):
            return False
        place += 12 + length
    names = [kind for kind, _ in kinds]
    unpacking = zlib.decompressobj()
    try:
        unpacked = unpacking.decompress(pixels, size * (size + 1) + 1)
    except zlib.error:
        return False
    return (
        names == [b"IHDR", *[b"IDAT"] * (len(names) - 2), b"IEND"]
        and kinds[-1][1] == 0
        and len(unpacked) == size * (size + 1)
        and unpacking.eof
        and not unpacking.unused_data
    )
