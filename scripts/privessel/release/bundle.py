"""The files of a release: a folder, its manifest, and an archive of the same bytes whenever it is made."""

import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from privessel.cohort.patches import load_pairs
from privessel.errors import PrivacyError
from privessel.files.atomic import atomic_path, sync_folder
from privessel.files.reading import file_digest
from privessel.privacy.signing import Signer
from privessel.release.allowed import (
    ARRAYS,
    CROISSANT,
    Outline,
    require_outline,
    write_croissant,
    write_manifest,
    write_texts,
)
from privessel.release.archive import list_files, pack
from privessel.release.checks.card import DATASET_NUMBER
from privessel.release.checks.files import has_unet, name_model
from privessel.release.checks.manifest import MANIFEST, SIGNATURE, find_changes
from privessel.release.export import NnunetTarget, write_exports
from privessel.release.formats import write_arrays
from privessel.release.scanner import require_clean, scan
from privessel.release.terms import Terms
from privessel.release.traces import Forbidden
from privessel.release.weights import copy_generator, copy_unet
from privessel.unet.net import TrainedUNet


@dataclass(frozen=True)
class Content:
    """What a release holds: pairs (n, s, s), none beside a private U-Net, numbers, terms, and its model."""

    images: NDArray[np.uint8]
    labels: NDArray[np.bool_]
    numbers: Mapping
    terms: Terms
    arch: str
    model: Path | None  # generator or U-Net as training saved it; None where it is not released
    signer: Signer | None = None  # the site's key; None for a public cohort without one

    @property
    def outline(self) -> Outline:
        """What the texts and the names of the files follow from."""
        pairs, size, _ = self.images.shape
        return Outline(self.numbers, self.terms, self.arch, pairs, size, bool(self.model), self.signer)


def publish(content: Content, *, archive: Path, forbidden: Forbidden, threads: int = 1) -> None:
    """Write a release as `archive` ({name}.tar.gz) and as the folder {name} beside it.

    The finished archive is compared with what a release may hold (`allowed`), and searched for everything in
    `forbidden`. Raises PrivacyError where anything is found, and where
    the folder exists and is not an earlier release; an earlier release then stays as it was, and nothing new
    is written.
    """
    terms = content.terms
    folder = archive.parent / terms.name
    check_replaceable(folder)
    archive.parent.mkdir(parents=True, exist_ok=True)
    require_outline(content.outline)
    with room_for(archive.parent, terms.name) as partial:
        write_files(partial, content, threads=threads)
        with atomic_path(archive) as packed:
            pack(partial, packed)
            found = scan(packed, outline=content.outline, forbidden=forbidden)
            require_clean(found, name=terms.name)
            replace_folder(partial, folder)


def write_files(folder: Path, content: Content, *, threads: int = 1) -> None:
    """Write all files of a release into the empty `folder`, the manifest and its signature last."""
    outline = content.outline
    digests = _write_data(folder, content, threads=threads) if outline.pairs else {}
    if content.model:
        target = folder / name_model(outline.privacy)
        target.parent.mkdir()
        (copy_unet if has_unet(outline.privacy) else copy_generator)(content.model, target)
    for name, text in write_texts(outline).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    # The pictures' digests are known from when they were written.
    known = {
        name: digests.get(f"{folder}/{name}") or file_digest(folder / name) for name in list_files(folder)
    }
    if outline.pairs:
        (folder / CROISSANT).write_text(write_croissant(known, outline), encoding="utf-8")
        known[CROISSANT] = file_digest(folder / CROISSANT)
    manifest = write_manifest(known).encode()
    (folder / MANIFEST).write_bytes(manifest)
    if content.signer:
        (folder / SIGNATURE).write_bytes(content.signer.sign(manifest))


def _write_data(folder: Path, content: Content, *, threads: int) -> dict[str, str]:
    """Write the pairs as arrays, as PNG and for nnU-Net; return the digests of the pictures by path."""
    images, labels = content.images, content.labels
    (folder / "data").mkdir()
    nnunet = NnunetTarget(folder / "data" / "nnunet", dataset_id=DATASET_NUMBER, name=content.terms.name)
    with ThreadPoolExecutor(1) as beside:
        arrays = beside.submit(write_arrays, folder / ARRAYS, {"image": images, "label": labels})
        digests = write_exports(images, labels, png=folder / "data" / "png", nnunet=nnunet, threads=threads)
        arrays.result()
    return digests


def load_content(pairs: Path | None, model: Path | None) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return images and labels (n, s, s) of a set; of a private U-Net, which has none, those of no pair."""
    if pairs:
        return load_pairs([pairs])
    size = TrainedUNet.load(model).patch_size
    return np.zeros((0, size, size), np.uint8), np.zeros((0, size, size), bool)


def check_replaceable(folder: Path) -> None:
    """Raise PrivacyError unless `folder` is missing, empty, or an unchanged earlier release."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if changes := find_changes(folder):
        what = changes[0] + (f", and {len(changes) - 1} more" if len(changes) > 1 else "")
        raise PrivacyError(
            f"{folder} exists and is not an unchanged release of privessel ({what}). Remedy: move it away, "
            "or give the new one another name in the config (release.name, of heads deid.release.name)"
        )


@contextmanager
def room_for(parent: Path, name: str) -> Iterator[Path]:
    """Yield an empty temporary folder called `name`, which is deleted at the end unless it was moved away."""
    with tempfile.TemporaryDirectory(prefix=f".{name}-", suffix=".partial", dir=parent) as room:
        partial = Path(room) / name
        partial.mkdir()
        yield partial


def replace_folder(partial: Path, folder: Path) -> None:
    """Give a finished release, `partial` in a room of `room_for`, its name `folder`.

    An earlier release there is moved into the room and deleted with it. So a kill at any moment leaves a
    whole release under this name, or none, and never one that has lost files, which could not be replaced.
    """
    if folder.exists():
        folder.rename(partial.with_name(f"earlier-{partial.name}"))
    partial.rename(folder)
    sync_folder(folder.parent)
