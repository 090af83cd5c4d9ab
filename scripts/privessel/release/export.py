"""A synthetic set as files that other programs train with: a raw dataset of nnU-Net v2, or plain PNG pairs.

An export is as private as its set, and no more. The PNG files hold pixels only, and the same pairs give the
same bytes (with the same zlib). Patches of patients are refused, because they are float32.

`tests/exported.py` lists what nnU-Net v2 asks of a raw dataset, and checks it on what is written here. To
train on a dataset, nnU-Net's five-fold split needs at least five cases.
"""

import logging
import re
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from privessel.files.atomic import sync_folder
from privessel.limits import MOST_PAIRS
from privessel.release.checks.exports import PNG_NAMES, describe_nnunet, list_pairs
from privessel.release.png import encode
from privessel.study.names import Level

log = logging.getLogger(__name__)

BLOCK = 32  # pairs that a thread encodes at a time


@dataclass(frozen=True)
class NnunetTarget:
    """Where a raw dataset goes: `folder` is nnU-Net's nnUNet_raw, and the dataset gets this id and name."""

    folder: Path
    dataset_id: int  # 1 to 999
    name: str  # letters, digits, _ and -

    @property
    def path(self) -> Path:
        """The dataset's own folder, which nnU-Net wants to be called Dataset{id}_{name}."""
        return Path(self.folder) / f"Dataset{self.dataset_id:03d}_{self.name}"


def write_exports(
    images: NDArray[np.uint8],
    labels: NDArray[np.bool_],
    *,
    png: Path | None = None,
    nnunet: NnunetTarget | None = None,
    threads: int = 1,
) -> dict[str, str]:
    """Write images and labels (n, s, s) into one new folder or both; return every PNG's SHA-256 by its path.

    png: a folder for image-00000.png, label-00000.png (vessel 255) and so on, and pairs.csv, which lists
    them. nnunet: a raw dataset for nnU-Net v2 (vessel 1). Both get the same image files, which are encoded
    once. A folder appears whole or not at all. Raises ValueError for unfit pairs, an unfit or taken id or
    name of a dataset, or a folder that is not empty.
    """
    _check_pairs(images, labels)
    with ExitStack() as whole:
        forms = []
        if png:
            forms.append(whole.enter_context(_png_form(Path(png), len(images))))
        if nnunet:
            forms.append(whole.enter_context(_nnunet_form(nnunet, len(images))))
        return _write_pictures(images, labels, forms, threads=threads)


def warn_of_level(level: str, *, folder: Path) -> None:
    """Log a warning where the pairs of this level carry no privacy: files are easily handed on."""
    if not Level.parse(level).private:
        log.warning("%s: made without privacy from training patients; these files must not leave", folder)


@dataclass(frozen=True)
class _Form:
    """How a form of export names its files, in a temporary folder that later becomes `final`."""

    partial: Path
    final: Path
    image: str  # a format of the pair's number
    label: str
    vessel: int  # the value of a vessel's pixels in labels


@contextmanager
def _png_form(folder: Path, count: int) -> Iterator[_Form]:
    with _whole(folder) as partial:
        yield _Form(partial, folder, **PNG_NAMES, vessel=255)
        (partial / "pairs.csv").write_text(list_pairs(count), encoding="utf-8", newline="\n")


@contextmanager
def _nnunet_form(target: NnunetTarget, count: int) -> Iterator[_Form]:
    if not 1 <= target.dataset_id <= 999 or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", target.name):
        given = f"id {target.dataset_id}, name {target.name!r}"
        raise ValueError(f"{given}: take 1 to 999, and letters, digits, _ and -")
    others = sorted(set(Path(target.folder).glob(f"Dataset{target.dataset_id:03d}*")) - {target.path})
    if others:
        raise ValueError(
            f"{others[0]} has id {target.dataset_id} already. Remedy: give the new dataset another id."
        )
    with _whole(target.path) as partial:
        (partial / "imagesTr").mkdir()
        (partial / "labelsTr").mkdir()
        image, label = "imagesTr/case_{:05d}_0000.png", "labelsTr/case_{:05d}.png"
        yield _Form(partial, target.path, image, label, vessel=1)
        # Last, because a folder without it is no dataset to nnU-Net.
        (partial / "dataset.json").write_text(describe_nnunet(count), encoding="utf-8")


def _write_pictures(
    images: NDArray[np.uint8], labels: NDArray[np.bool_], forms: list[_Form], *, threads: int
) -> dict[str, str]:
    """Write every image and label in every form; return the SHA-256 of each file by its final path."""
    digests: dict[str, str] = {}

    def write_block(start: int) -> None:
        pictures = encode(images[start : start + BLOCK])
        for form in forms:
            outlines = encode(labels[start : start + BLOCK] * np.uint8(form.vessel))
            for contents, name in ((pictures, form.image), (outlines, form.label)):
                for number, content in enumerate(contents, start):
                    _write_file(f"{form.partial}/{name.format(number)}", content)
                    digests[f"{form.final}/{name.format(number)}"] = sha256(content).hexdigest()

    _run_in_threads(write_block, range(0, len(images), BLOCK), threads)
    return digests


def _write_file(path: str, content: bytes) -> None:
    with open(path, "wb") as file:
        file.write(content)


def _run_in_threads(write: Callable[[int], None], starts: range, threads: int) -> None:
    """Call `write` with every start, in threads; the first error stops the others and is raised."""
    with ThreadPoolExecutor(threads) as pool:
        try:
            for _ in pool.map(write, starts):
                pass
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def _check_pairs(images: NDArray, labels: NDArray) -> None:
    if images.dtype != np.uint8 or labels.dtype != bool or images.ndim != 3 or images.shape != labels.shape:
        given = f"{images.dtype} {images.shape} and {labels.dtype} {labels.shape}"
        raise ValueError(f"pairs are uint8 images and bool labels, both (n, s, s), not {given}")
    if not images.size or len(images) > MOST_PAIRS:
        raise ValueError(f"an export has 1 to {MOST_PAIRS} pairs with pixels, not {images.shape}")


@contextmanager
def _whole(folder: Path) -> Iterator[Path]:
    """Yield an empty folder that becomes `folder` at the end, and of which nothing stays after an error."""
    folder = folder.resolve()
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise ValueError(f"{folder} is there, and not empty. Remedy: move it away, or export elsewhere.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Its name starts with a dot, so that nnU-Net does not take what a kill leaves for a dataset.
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", suffix=".partial", dir=folder.parent) as room:
        partial = Path(room) / "partial"  # inside, as the temporary folder itself is closed to others
        partial.mkdir()
        yield partial
        partial.rename(folder)  # refused by the system if the folder has been filled meanwhile
        sync_folder(folder.parent)
