"""Patches of a scan: how they are cut, how they are stored, and how they become a volume again."""

import hashlib
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from privessel.errors import CohortError
from privessel.files.atomic import atomic_path

VERSION = 1
REMEDY = "Remedy: delete the file and run again; it is made anew."
Box = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Patches:
    """Axial patches: `image` (n, s, s) float32 raw, `label` (n, s, s) bool, `centre` (n, 3) voxel (x, y, z).

    `patient_index` (n,) int points into `patients`; `seeds` holds the sampling seed of each of them.
    """

    image: NDArray[np.float32]
    label: NDArray[np.bool_]
    centre: NDArray[np.int64]
    patient_index: NDArray[np.int64]
    patients: tuple[str, ...]
    seeds: tuple[int, ...]


def cut(volume: NDArray, centres: NDArray[np.integer], size: int) -> NDArray:
    """Cut axial patches (n, size, size) around `centres` (n, 3); what lies beyond the volume is zero.

    The centre is pixel size // 2 of its patch, so an even patch reaches one voxel further to the left.
    """
    offsets = np.arange(size) - size // 2
    rows = centres[:, :1] + offsets
    columns = centres[:, 1:2] + offsets
    inside_rows = (rows >= 0) & (rows < volume.shape[0])
    inside_columns = (columns >= 0) & (columns < volume.shape[1])
    rows = np.clip(rows, 0, volume.shape[0] - 1)
    columns = np.clip(columns, 0, volume.shape[1] - 1)
    patches = volume[rows[:, :, None], columns[:, None, :], centres[:, 2, None, None]]
    patches *= inside_rows[:, :, None] & inside_columns[:, None, :]
    return patches


def save(path: Path, patches: Patches) -> None:
    """Write one patient's patches as `.npz`, whole or not at all; equal patches give equal bytes."""
    (patient,), (seed,) = patches.patients, patches.seeds
    with atomic_path(path) as partial:
        np.savez_compressed(
            partial,
            image=patches.image,
            label=patches.label,
            centre=patches.centre,
            patient=patient,
            seed=seed,
            version=VERSION,
        )


def load(paths: Sequence[Path], *, scale: tuple[float, float] | None = None) -> Patches:
    """Read the patches of several patients, in the order of `paths`, into one set.

    With `scale` every image comes as `rescale` gives it for that range, else raw. Beside the set no more than
    one patient's patches are in memory. Raises CohortError naming the file if one is missing, damaged, of
    another version or another patch size.
    """
    parts = [_read(path, ("centre", "patient", "seed", "version")) for path in paths]
    for part, path in zip(parts, paths, strict=True):
        if part["version"] != VERSION:
            raise CohortError(f"patches {path} have version {part['version']}, expected {VERSION}. {REMEDY}")
    image, label = _stack(paths, scale=scale)
    return Patches(
        image=image,
        label=label,
        centre=np.concatenate([part["centre"] for part in parts]),
        patient_index=np.repeat(np.arange(len(parts)), [len(part["centre"]) for part in parts]),
        patients=tuple(str(part["patient"]) for part in parts),
        seeds=tuple(int(part["seed"]) for part in parts),
    )


def load_pairs(paths: Sequence[Path]) -> tuple[NDArray, NDArray[np.bool_]]:
    """Read images and labels (n, s, s) of patients' patches, or of a synthetic set, one after the other.

    Beside them no more than one file's are in memory. Raises CohortError naming the file if one is missing,
    damaged or of another patch size.
    """
    return _stack(paths, scale=None)


def _stack(paths: Sequence[Path], *, scale: tuple[float, float] | None) -> tuple[NDArray, NDArray[np.bool_]]:
    """Fill arrays of the final size file by file: concatenating would hold every patch twice."""
    heads = [_head(path) for path in paths]
    sizes = {shape[1:]: path for (shape, _), path in zip(heads, paths, strict=True)}
    if len(sizes) > 1:
        found = ", ".join(f"{shape} in {path}" for shape, path in sizes.items())
        raise CohortError(
            f"patches of different sizes: {found}. Remedy: delete the older files and run again."
        )
    whole = (sum(shape[0] for shape, _ in heads), *next(iter(sizes)))
    images, labels = np.empty(whole, np.float32 if scale else heads[0][1]), np.empty(whole, bool)
    start = 0
    for path in paths:
        part = _read(path, ("image", "label"))
        if part["label"].shape != part["image"].shape:
            sizes = f"images {part['image'].shape}, labels {part['label'].shape}"
            raise CohortError(f"patches {path} have {sizes}. {REMEDY}")
        stop = start + len(part["image"])
        images[start:stop] = rescale(part["image"], *scale) if scale else part["image"]
        labels[start:stop] = part["label"]
        start = stop
    return images, labels


def _head(path: Path) -> tuple[tuple[int, ...], np.dtype]:
    """Read shape and type of a file's images, and nothing of the images."""
    with _named(path), zipfile.ZipFile(path) as archive, archive.open("image.npy") as array:
        np.lib.format.read_magic(array)
        shape, _, dtype = np.lib.format.read_array_header_1_0(array)
        return shape, dtype


def _read(path: Path, names: Sequence[str]) -> dict[str, NDArray]:
    """Read arrays of an `.npz` fully; their checksums are verified on the way."""
    with _named(path), np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in names}


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name the file in whatever goes wrong with it."""
    try:
        yield
    except (
        OSError,
        EOFError,
        KeyError,
        ValueError,
        RuntimeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as problem:
        raise CohortError(f"patches {path} cannot be read ({problem}). {REMEDY}") from problem


def rescale(images: NDArray, low: float, high: float) -> NDArray[np.float32]:
    """Scale each patch (n, s, s) by its minimum and maximum to [low, high]; a constant one becomes low."""
    scaled = images.astype(np.float32)
    scaled -= scaled.min(axis=(1, 2), keepdims=True)
    span = scaled.max(axis=(1, 2), keepdims=True)
    scaled /= np.where(span > 0, span, 1)
    scaled *= high - low
    scaled += low
    return scaled


def digest(*arrays: NDArray) -> str:
    """Return a SHA-256 of arrays: of their types, shapes and values."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(f"{array.dtype}{array.shape}".encode())
        found.update(np.ascontiguousarray(array))
    return found.hexdigest()


def bounding_box(mask: NDArray[np.bool_]) -> Box:
    """Give a mask's half-open voxel range (low, high) along each axis. Raises ValueError when it is empty."""
    box = []
    for axis in range(mask.ndim):
        hit = np.flatnonzero(mask.any(axis=tuple(other for other in range(mask.ndim) if other != axis)))
        if hit.size == 0:
            raise ValueError("an empty mask has no bounding box")
        box.append((int(hit[0]), int(hit[-1]) + 1))
    return tuple(box)


def tile_starts(low: int, high: int, *, limit: int, size: int, stride: int) -> NDArray[np.int64]:
    """Give the first voxels of tiles that cover [low, high) and stay within [0, limit).

    >>> tile_starts(10, 60, limit=100, size=20, stride=15)
    array([10, 25, 40])
    >>> tile_starts(95, 99, limit=100, size=20, stride=15)  # a box smaller than a tile: shifted inside
    array([80])
    """
    if not 0 < stride <= size <= limit:
        raise ValueError(f"tiles need 0 < stride <= size <= limit, got {stride}, {size}, {limit}")
    starts = np.arange(low, max(low + 1, high - size + stride), stride)
    # The last tile ends with the box, and no tile leaves the volume.
    return np.unique(np.clip(np.minimum(starts, max(low, high - size)), 0, limit - size))


def tile(box: Box, shape: tuple[int, ...], *, size: int, stride: int) -> NDArray[np.int64]:
    """Give the centres (n, 3), for `cut`, of tiles that cover `box` in each of its axial slices."""
    x, y = (
        tile_starts(low, high, limit=limit, size=size, stride=stride) + size // 2
        for (low, high), limit in zip(box[:2], shape[:2], strict=True)
    )
    z = np.arange(*box[2])
    # z varies slowest: a batch of neighbours stays within few slices.
    grid = np.meshgrid(z, x, y, indexing="ij")
    return np.stack([grid[1].ravel(), grid[2].ravel(), grid[0].ravel()], axis=1)


def stitch(
    total: NDArray[np.float32], count: NDArray[np.integer], tiles: NDArray, centres: NDArray[np.integer]
) -> None:
    """Add `tiles` (n, s, s) at their `centres` to the running `total` and `count` (x, y, z), in place.

    The mean over overlapping tiles is `total / np.maximum(count, 1)` once every batch has been added.
    """
    size = tiles.shape[1]
    for values, (x, y, z) in zip(tiles, centres - [size // 2, size // 2, 0], strict=True):
        total[x : x + size, y : y + size, z] += values
        count[x : x + size, y : y + size, z] += 1
