"""A synthetic set as files for tools that others train with: an nnU-Net v2 raw dataset, or plain PNG pairs.

An export is as private as its set, and no more. PNGs hold pixels only; the same pairs give the same bytes
(with the same Pillow, whose zlib deflates them). Real patches do not fit: they are float32.

What nnU-Net v2 asks of a raw dataset, and `check_nnunet` too. Sources, in MIC-DKFZ/nnUNet: (D)
documentation/dataset_format.md; and under nnunetv2/ (V) experiment_planning/verify_dataset_integrity.py,
(L) utilities/label_handling/label_handling.py, (N) utilities/dataset_name_id_conversion.py, (U)
utilities/utils.py, (R) imageio/natural_image_reader_writer.py.

1. The folder is called Dataset, three digits, _ and a name (D, N). No two share an id (N; write_nnunet).
2. It holds dataset.json, imagesTr and labelsTr (V).
3. dataset.json has labels, channel_names, numTraining and file_ending (V).
4. labels has background, which is 0, and the values are 0, 1, 2 and so on without a gap (D, L, V).
5. An image is called case_XXXX.png, and each case has every XXXX of channel_names (D, U, V): here 0000 only.
6. There are numTraining cases in imagesTr (V).
7. Each case has a label, labelsTr/case.png (V).
8. A label holds no value but those of labels (V).
9. The files of a case can be read, are of one size, and hold one channel each (V, R).

Stricter than nnU-Net: 8-bit greyscale with intact checksums, at least one case; and no further channels,
regions as labels or `dataset` key, all legal there. To train, its five-fold split needs five cases.
"""

import csv
import io
import json
import logging
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from privessel.files.atomic import sync_folder
from privessel.study.names import Level

log = logging.getLogger(__name__)

Pairs = tuple[NDArray[np.uint8], NDArray[np.bool_]]

MOST = 100_000  # pairs, by the five digits of a file's name
CHANNEL = "TOF-MRA"  # not "CT": nnU-Net then scales each image to mean 0 and SD 1 by itself


def write_nnunet(
    images: NDArray[np.uint8],
    labels: NDArray[np.bool_],
    folder: Path,
    *,
    dataset_id: int,
    name: str,
    threads: int = 1,
) -> Path:
    """Write images and labels (n, s, s) as `folder`/Dataset{id}_{name}, whole or not at all; return its path.

    `folder` is nnU-Net's nnUNet_raw. ValueError: unfit pairs, id or name, an id taken, or a folder not empty.
    """
    _check_pairs(images, labels)
    if not 1 <= dataset_id <= 999 or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
        raise ValueError(f"id {dataset_id}, name {name!r}: take 1 to 999, and letters, digits, _ and -")
    target = Path(folder) / f"Dataset{dataset_id:03d}_{name}"
    others = sorted(set(Path(folder).glob(f"Dataset{dataset_id:03d}*")) - {target})
    if others:
        raise ValueError(f"{others[0]} has id {dataset_id} already. Remedy: give the new dataset another id.")
    with _whole(target) as partial:
        (partial / "imagesTr").mkdir()
        (partial / "labelsTr").mkdir()

        def write_case(index: int) -> None:
            _write_png(partial / "imagesTr" / f"case_{index:05d}_0000.png", images[index])
            _write_png(partial / "labelsTr" / f"case_{index:05d}.png", labels[index].astype(np.uint8))

        _run_in_threads(write_case, len(images), threads)
        description = {
            "channel_names": {"0": CHANNEL},
            "labels": {"background": 0, "vessel": 1},
            "numTraining": len(images),
            "file_ending": ".png",
            "overwrite_image_reader_writer": "NaturalImage2DIO",
        }
        (partial / "dataset.json").write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")
    return target


def write_png_pairs(
    images: NDArray[np.uint8], labels: NDArray[np.bool_], folder: Path, *, threads: int = 1
) -> None:
    """Write images and labels (n, s, s) as image-00000.png, label-00000.png (vessel 255) and so on.

    pairs.csv lists them. `folder` appears whole or not at all. ValueError: unfit pairs, or it is not empty.
    """
    _check_pairs(images, labels)
    names = [(f"image-{index:05d}.png", f"label-{index:05d}.png") for index in range(len(images))]
    with _whole(Path(folder)) as partial:

        def write_pair(index: int) -> None:
            image_name, label_name = names[index]
            _write_png(partial / image_name, images[index])
            _write_png(partial / label_name, labels[index] * np.uint8(255))

        _run_in_threads(write_pair, len(names), threads)
        with (partial / "pairs.csv").open("w", newline="", encoding="utf-8") as lines:
            csv.writer(lines, lineterminator="\n").writerows([("image", "label"), *names])


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


def warn_of_level(level: str, *, folder: Path) -> None:
    """Log a warning where the pairs of this level carry no privacy: files are easily handed on."""
    if not Level.parse(level).private:
        log.warning("%s: made without privacy from training patients; these files must not leave", folder)


def require_same(written: Pairs, read: Pairs, *, folder: Path) -> None:
    """Raise ValueError where pairs that were read back from `folder` are not those that were written."""
    if not all(np.array_equal(one, other) for one, other in zip(written, read, strict=True)):
        raise _broken(folder, "does not hold the pairs that were written")
    log.info("%s: %d pairs, read back and the same", folder, len(read[0]))


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


def _check_pairs(images: NDArray, labels: NDArray) -> None:
    if images.dtype != np.uint8 or labels.dtype != bool or images.ndim != 3 or images.shape != labels.shape:
        given = f"{images.dtype} {images.shape} and {labels.dtype} {labels.shape}"
        raise ValueError(f"pairs are uint8 images and bool labels, both (n, s, s), not {given}")
    if not images.size or len(images) > MOST:
        raise ValueError(f"an export has 1 to {MOST} pairs with pixels, not {images.shape}")


def _broken(file: Path, problem: str) -> ValueError:
    return ValueError(f"{file} {problem}. Remedy: correct it, or delete the export and make it anew.")


def _write_png(path: Path, pixels: NDArray[np.uint8]) -> None:
    # Pillow is much slower when it writes to a file itself; the bytes are the same.
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, format="PNG")
    path.write_bytes(content.getvalue())


def _run_in_threads(write: Callable[[int], None], count: int, threads: int) -> None:
    """Call write(0) to write(count - 1) in threads; the first error stops the others and is raised."""
    with ThreadPoolExecutor(threads) as pool:
        try:
            for _ in pool.map(write, range(count)):
                pass
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


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


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes `folder` at the end, and of which nothing stays after an error."""
    folder = folder.resolve()
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise ValueError(f"{folder} is there, and not empty. Remedy: move it away, or export elsewhere.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Its name starts with a dot, so that nnU-Net takes what a kill leaves for no dataset.
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", suffix=".partial", dir=folder.parent) as room:
        partial = Path(room) / "partial"  # inside, as the temporary folder itself is closed to others
        partial.mkdir()
        yield partial
        partial.rename(folder)  # refused by the system if the folder has been filled meanwhile
        sync_folder(folder.parent)
