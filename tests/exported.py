"""Exports as others read them, by Pillow: what nnU-Net v2 asks of a raw dataset, and plain PNG pairs.

What nnU-Net v2 asks of a raw dataset, and `check_nnunet` too. Sources, in MIC-DKFZ/nnUNet: (D)
documentation/dataset_format.md; and under nnunetv2/ (V) experiment_planning/verify_dataset_integrity.py,
(L) utilities/label_handling/label_handling.py, (N) utilities/dataset_name_id_conversion.py, (U)
utilities/utils.py, (R) imageio/natural_image_reader_writer.py.

1. The folder is called Dataset, three digits, _ and a name (D, N). No two share an id (N; write_exports).
2. It holds dataset.json, imagesTr and labelsTr (V).
3. dataset.json has labels, channel_names, numTraining and file_ending (V).
4. labels has background, which is 0, and the values are 0, 1, 2 and so on without a gap (D, L, V).
5. An image is called case_XXXX.png, and each case has every XXXX of channel_names (D, U, V): here 0000 only.
6. There are numTraining cases in imagesTr (V).
7. Each case has a label, labelsTr/case.png (V).
8. A label holds no value but those of labels (V).
9. The files of a case can be read, are of one size, and hold one channel each (V, R).

Stricter than nnU-Net: 8-bit greyscale with intact checksums, at least one case; and no further channels,
regions as labels or `dataset` key, all legal there.
"""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pairs = tuple[NDArray[np.uint8], NDArray[np.bool_]]


def check_nnunet(folder: Path) -> int:
    """Return how many cases a dataset has; ValueError names the first file to break a rule, and a remedy."""
    return sum(1 for _ in _cases(Path(folder)))


def read_nnunet(folder: Path) -> Pairs:
    """Read images (n, s, s) uint8 and labels (n, s, s) bool of a dataset, in the order of its cases' names.

    ValueError as `check_nnunet`, and where the cases differ in size, which nnU-Net allows.
    """
    return _stack(Path(folder), _cases(Path(folder)))


def read_png_pairs(folder: Path) -> Pairs:
    """Read the pairs listed in pairs.csv: images (n, s, s) uint8 and labels (n, s, s) bool.

    ValueError names a file that is missing, damaged or of another size, or a label beside 0 and 255.
    """
    table = Path(folder) / "pairs.csv"
    try:
        with table.open(newline="", encoding="utf-8") as lines:
            rows = [(row["image"], row["label"]) for row in csv.DictReader(lines)]
        paths = [tuple(map(table.with_name, names)) for names in rows]
    except (OSError, KeyError, TypeError, ValueError) as problem:
        raise _broken(table, f"cannot be read ({problem!r})") from problem
    if not paths:
        raise _broken(table, "lists no pairs")
    return _stack(table.parent, (_read_pair(image, label, [0, 255]) for image, label in paths))


def _cases(folder: Path) -> Iterator[Pairs]:
    """Yield image and label (rows, columns) of each case; ValueError where a rule is broken."""
    description = _description(folder)
    images = sorted((folder / "imagesTr").glob("*.png"))
    for image in images:
        # nnU-Net takes any four digits for a channel, and crashes over a name without them.
        if not re.fullmatch(r".+_0000\.png", image.name):
            raise _broken(image, "does not end in _0000.png, the only channel")
    if len(images) != description["numTraining"] or not images:
        told = f"says numTraining {description['numTraining']}, but imagesTr has {len(images)} cases"
        raise _broken(folder / "dataset.json", told)
    for image in images:
        label = folder / "labelsTr" / f"{image.name.removesuffix('_0000.png')}.png"
        yield _read_pair(image, label, list(description["labels"].values()))


def _description(folder: Path) -> dict:
    """Return dataset.json of a folder that keeps rules 1 to 4."""
    file = folder / "dataset.json"
    if not re.fullmatch(r"Dataset\d{3}_.+", folder.resolve().name):
        raise _broken(folder, "is not called Dataset, three digits, _ and a name")
    for part, there in (("imagesTr", Path.is_dir), ("labelsTr", Path.is_dir), ("dataset.json", Path.is_file)):
        if not there(folder / part):
            raise _broken(folder / part, "is missing")
    try:
        description = json.loads(file.read_text(encoding="utf-8"))
        labels, channels = description["labels"], description["channel_names"]
        consecutive = sorted(labels.values()) == list(range(len(labels)))
        ending, _ = description["file_ending"], description["numTraining"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise _broken(file, f"lacks a part or cannot be read ({problem!r})") from problem
    if not consecutive or labels.get("background") != 0:
        raise _broken(file, f"has labels {labels}, not background 0, then 1, 2 and so on")
    if list(channels) != ["0"]:
        raise _broken(file, f"has channel_names {channels}, not just channel '0'")
    if ending != ".png" or "dataset" in description:
        raise _broken(file, "is not about the .png files of imagesTr and labelsTr")
    return description


def _read_pair(image_path: Path, label_path: Path, values: list[int]) -> Pairs:
    image, label = _read_png(image_path), _read_png(label_path)
    if image.shape != label.shape:
        raise _broken(label_path, f"has {label.shape} pixels, but {image_path} {image.shape}")
    unexpected = np.setdiff1d(label, values)
    if unexpected.size:
        raise _broken(label_path, f"has the label {unexpected[0]}, expected only {values}")
    return image, label > 0


def _stack(folder: Path, pairs: Iterable[Pairs]) -> Pairs:
    images, labels = zip(*pairs, strict=True)
    if len({image.shape for image in images}) > 1:
        raise _broken(folder, "has images of several sizes")
    return np.stack(images), np.stack(labels)


def _broken(file: Path, problem: str) -> ValueError:
    return ValueError(f"{file} {problem}. Remedy: correct it, or delete the export and make it anew.")


def _read_png(path: Path) -> NDArray[np.uint8]:
    """Read an 8-bit greyscale PNG (rows, columns); ValueError where it is missing, damaged or other."""
    try:
        content = path.read_bytes()
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            image.verify()  # the checksums, some of which reading the pixels alone passes over
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            pixels, mode = np.asarray(image), image.mode
    except FileNotFoundError as problem:
        raise _broken(path, "is missing") from problem
    except (OSError, SyntaxError, ValueError) as problem:
        raise _broken(path, f"cannot be read ({problem})") from problem
    if mode != "L":
        raise _broken(path, f"is of Pillow's mode {mode}, not 8-bit greyscale")
    return pixels
