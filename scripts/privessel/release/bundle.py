"""The files of a release: a folder, its manifest, and an archive of the same bytes whenever it is made."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from privessel.errors import PrivacyError
from privessel.files.atomic import atomic_path, sync_folder
from privessel.files.reading import file_digest
from privessel.privacy.signing import Signer
from privessel.release.archive import list_files, pack
from privessel.release.checks.card import DATASET_NUMBER
from privessel.release.checks.croissant import DESCRIBED, describe_dataset
from privessel.release.checks.files import MANIFEST, PROGRAMS, PUBLIC_KEY, SIGNATURE, TEXTS
from privessel.release.export import NnunetTarget, write_exports
from privessel.release.scanner import require_clean, scan
from privessel.release.statement import describe_data
from privessel.release.terms import Terms
from privessel.release.traces import Forbidden
from privessel.release.weights import copy_generator

LIBRARY = "privessel.release.checks"  # what the check imports here, and `checks` in a release


@dataclass(frozen=True)
class Content:
    """What a release holds: pairs (n, s, s), the numbers of privacy.json, its terms, and its generator."""

    images: NDArray[np.uint8]
    labels: NDArray[np.bool_]
    numbers: Mapping
    terms: Terms
    arch: str
    generator: Path | None  # the file that training saved; None where the generator is not released
    signer: Signer | None = None  # the site's key; None for a public cohort without one


def publish(content: Content, *, archive: Path, forbidden: Forbidden, threads: int = 1) -> None:
    """Write a release as `archive` ({name}.tar.gz) and as the folder {name} beside it.

    The finished archive is searched for everything in `forbidden`. Raises PrivacyError where the search finds
    anything, and where the folder exists and is not an earlier release; an earlier release then stays as it
    was, and nothing new is written.
    """
    terms = content.terms
    folder = archive.parent / terms.name
    check_replaceable(folder)
    archive.parent.mkdir(parents=True, exist_ok=True)
    with _room(archive.parent, terms.name) as partial:
        write_files(partial, content, threads=threads)
        with atomic_path(archive) as packed:
            pack(partial, packed)
            require_clean(scan(packed, forbidden=forbidden, size=content.images.shape[-1]), name=terms.name)
            if folder.exists():
                shutil.rmtree(folder)
            partial.rename(folder)
            sync_folder(folder.parent)


def write_files(folder: Path, content: Content, *, threads: int = 1) -> None:
    """Write all files of a release into the empty `folder`, the manifest and its signature last."""
    images, labels, terms = content.images, content.labels, content.terms
    data = folder / "data"
    data.mkdir()
    nnunet = NnunetTarget(data / "nnunet", dataset_id=DATASET_NUMBER, name=terms.name)
    with ThreadPoolExecutor(1) as beside:
        arrays = beside.submit(np.savez_compressed, data / "pairs.npz", image=images, label=labels)
        digests = write_exports(images, labels, png=data / "png", nnunet=nnunet, threads=threads)
        arrays.result()
    if content.generator:
        (folder / "model").mkdir()
        copy_generator(content.generator, folder / "model" / "generator.pt")
    described = describe_data(
        terms,
        architecture=content.arch,
        pairs=len(images),
        size=images.shape[-1],
        weights=content.generator is not None,
        signed=content.signer is not None,
    )
    numbers = {**content.numbers, "data": described}
    for name, text in _write_texts(numbers).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    metadata = describe_dataset(numbers, {name: file_digest(folder / name) for name in DESCRIBED})
    (folder / "croissant.json").write_text(_json(metadata), encoding="utf-8")
    if content.signer:
        (folder / PUBLIC_KEY).write_bytes(content.signer.public_key)
    # The pictures' digests are known from when they were written.
    lines = [
        f"{digests.get(f'{folder}/{name}') or file_digest(folder / name)}  {name}\n"
        for name in list_files(folder)
    ]
    manifest = "".join(lines).encode()
    (folder / MANIFEST).write_bytes(manifest)
    if content.signer:
        (folder / SIGNATURE).write_bytes(content.signer.sign(manifest))


def _write_texts(numbers: Mapping) -> dict[str, str]:
    """Return the texts of a release by their files' names, and the programs that write them again."""
    texts = {name: write(numbers) for name, write in TEXTS.items()}
    here = Path(__file__).parent
    programs = {name: (here / name).read_text(encoding="utf-8") for name in PROGRAMS}
    programs = {name: text.replace(LIBRARY, "checks") for name, text in programs.items()}
    return texts | {"privacy.json": _json(numbers)} | programs


def check_replaceable(folder: Path) -> None:
    """Raise PrivacyError unless `folder` is missing, empty, or an unchanged earlier release."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    manifest = folder / MANIFEST
    listed = {}
    if manifest.is_file():
        lines = manifest.read_text(encoding="utf-8").splitlines()
        listed = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    there = set(list_files(folder)) - {MANIFEST, SIGNATURE}
    odd = sorted(there - set(listed)) + sorted(
        name for name in there & set(listed) if file_digest(folder / name) != listed[name]
    )
    if odd or not listed:
        what = f"{odd[0]} and {len(odd) - 1} more" if len(odd) > 1 else odd[0] if odd else "no manifest"
        raise PrivacyError(
            f"{folder} exists and is not an unchanged release of privessel ({what}). Remedy: move it away, "
            "or set another release.name for the new one"
        )


@contextmanager
def _room(parent: Path, name: str) -> Iterator[Path]:
    """Yield an empty temporary folder called `name`, which is deleted at the end unless it was moved away."""
    with tempfile.TemporaryDirectory(prefix=f".{name}-", suffix=".partial", dir=parent) as room:
        partial = Path(room) / name
        partial.mkdir()
        yield partial


def _json(content: Mapping) -> str:
    return json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
