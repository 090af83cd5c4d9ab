"""Patches of a scan: how they are cut, how they are stored, and how they become a volume again."""

import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from privessel.errors import DamagedError
from privessel.files.atomic import atomic_path
from privessel.files.reading import reading

VERSION = 1  # of the files that `save` writes


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
    """Cut axial patches (n, size, size) around `centres` (n, 3); pixels beyond the volume are zero.

    The centre is pixel size // 2 of its patch, so a patch of even size reaches one voxel further to the left.
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

    With `scale` (low, high) every image is rescaled to that range, else it is raw. Beside the set no more
    than one patient's patches are in memory. Raises DamagedError, naming the file, where one is damaged, of
    another version or of another patch size; FileNotFoundError where one is missing.
    """
    parts = [_read(path, ("centre", "patient", "seed", "version")) for path in paths]
    for part, path in zip(parts, paths, strict=True):
        with reading(path):
            if part["version"] != VERSION:
                raise ValueError(f"it has version {part['version']} of these files, not {VERSION}")
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

    Beside them no more than one file's are in memory. Raises DamagedError, naming the file, where one is
    damaged or of another patch size; FileNotFoundError where one is missing.
    """
    return _stack(paths, scale=None)


def _stack(paths: Sequence[Path], *, scale: tuple[float, float] | None) -> tuple[NDArray, NDArray[np.bool_]]:
    """Fill arrays of the final size file by file, because concatenating would hold every patch twice."""
    headers = [_read_header(path) for path in paths]
    sizes = {shape[1:]: path for (shape, _), path in zip(headers, paths, strict=True)}
    if len(sizes) > 1:
        listed = ", ".join(f"{shape} in {path}" for shape, path in sizes.items())
        raise DamagedError(
            f"patches of different sizes: {listed}. Remedy: remove the older files and run the same command "
            "again; they are made anew"
        )
    total = (sum(shape[0] for shape, _ in headers), *next(iter(sizes)))
    images, labels = np.empty(total, np.float32 if scale else headers[0][1]), np.empty(total, bool)
    start = 0
    for path in paths:
        part = _read(path, ("image", "label"))
        with reading(path):
            if part["label"].shape != part["image"].shape:
                raise ValueError(f"images {part['image'].shape}, but labels {part['label'].shape}")
        stop = start + len(part["image"])
        images[start:stop] = rescale(part["image"], *scale) if scale else part["image"]
        labels[start:stop] = part["label"]
        start = stop
    return images, labels


def _read_header(path: Path) -> tuple[tuple[int, ...], np.dtype]:
    """Read shape and type of a file's images without reading the images."""
    with reading(path), zipfile.ZipFile(path) as archive, archive.open("image.npy") as array:
        np.lib.format.read_magic(array)
        shape, _, dtype = np.lib.format.read_array_header_1_0(array)
        return shape, dtype


def _read(path: Path, names: Sequence[str]) -> dict[str, NDArray]:
    """Read arrays of an `.npz` fully; their checksums are verified on the way."""
    with reading(path), np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in names}


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
    sha256 = hashlib.sha256()
    for array in arrays:
        sha256.update(f"{array.dtype}{array.shape}".encode())
        sha256.update(np.ascontiguousarray(array))
    return sha256.hexdigest()


def bounding_box(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Return the slices, one per axis, that just hold a mask. Raises ValueError where it is empty."""
    box = []
    for axis in range(mask.ndim):
        others = tuple(other for other in range(mask.ndim) if other != axis)
        occupied = np.flatnonzero(mask.any(axis=others))
        if occupied.size == 0:
            raise ValueError("an empty mask has no bounding box")
        box.append(slice(int(occupied[0]), int(occupied[-1]) + 1))
    return tuple(box)


def tile_starts(low: int, high: int, *, limit: int, size: int, stride: int) -> NDArray[np.int64]:
    """Return the first voxels of tiles that cover [low, high) and stay within [0, limit).

    >>> tile_starts(10, 60, limit=100, size=20, stride=15)
    array([10, 25, 40])
    >>> tile_starts(95, 99, limit=100, size=20, stride=15)  # a box smaller than a tile: shifted inside
    array([80])

    Raises ValueError unless 0 < stride <= size <= limit: other tiles would leave gaps, or not fit.
    """
    if not 0 < stride <= size <= limit:
        raise ValueError(f"tiles need 0 < stride <= size <= limit, got {stride}, {size}, {limit}")
    starts = np.arange(low, max(low + 1, high - size + stride), stride)
    # The last tile ends with the box, and no tile leaves the volume.
    return np.unique(np.clip(np.minimum(starts, max(low, high - size)), 0, limit - size))


def tile(box: tuple[slice, ...], shape: tuple[int, ...], *, size: int, stride: int) -> NDArray[np.int64]:
    """Return the centres (n, 3), for `cut`, of tiles that cover `box` in each of its axial slices."""
    x, y = (
        tile_starts(side.start, side.stop, limit=limit, size=size, stride=stride) + size // 2
        for side, limit in zip(box[:2], shape[:2], strict=True)
    )
    z = np.arange(box[2].start, box[2].stop)
    # z varies slowest: a batch of neighbours stays within few slices.
    grid = np.meshgrid(z, x, y, indexing="ij")
    return np.stack([grid[1].ravel(), grid[2].ravel(), grid[0].ravel()], axis=1)


def stitch(
    total: NDArray[np.float32], count: NDArray[np.integer], tiles: NDArray, centres: NDArray[np.integer]
) -> None:
    """Add `tiles` (n, s, s) at their `centres` to the sums `total` and the `count` (x, y, z), in place.

    The mean over overlapping tiles is `total / np.maximum(count, 1)` once every batch has been added.
    """
    size = tiles.shape[1]
    for values, (x, y, z) in zip(tiles, centres - [size // 2, size // 2, 0], strict=True):
        total[x : x + size, y : y + size, z] += values
        count[x : x + size, y : y + size, z] += 1
