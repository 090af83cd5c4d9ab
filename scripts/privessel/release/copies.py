"""Copies of real patches among images that are about to leave: exact, or with other grey values."""

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from privessel.cohort.patches import Patches

# Correlation of two images from which one is a copy of the other, brighter or darker, with more or less
# contrast, inverted or rounded to 8 bits. Measured at 24 pixels: copies in 8 bits are above 0.999, patches of
# different simulated patients at most 0.963 (of 48 million pairs).
NEAR = 0.99
ROUNDING = 1e-3  # far above what single precision loses in a bound of a correlation
LABEL_PIXELS = 64  # labels of fewer vessel pixels may be equal by chance
BLOCK = 2048  # images compared at a time
COARSE = 4  # pixels that are averaged along each side for the first look


def find_copies(
    images: NDArray, labels: NDArray[np.bool_], real: Iterable[Patches]
) -> tuple[list[int], list[int]]:
    """Return which `images` (n, s, s) and `labels` (m, s, s) are copies of `real` ones, by number.

    Moved, turned or mirrored copies are not looked for. Constant images carry nothing and are passed over.
    A first look at coarse images excludes nearly all pairs, and cannot miss a copy: see `_bound`. Raises
    ValueError where real patches have another size than the images.
    """
    released, numbers = _normalise(images)
    released_coarse = _coarsen(released, images.shape[1:])
    found: set[int] = set()
    known: set[bytes] = set()
    for patches in real:
        if patches.image.shape[1:] != images.shape[1:]:
            raise ValueError(f"patches of {patches.image.shape[1:]} pixels, images of {images.shape[1:]}")
        patients, _ = _normalise(patches.image)
        patients_coarse = _coarsen(patients, patches.image.shape[1:])
        for start in range(0, len(released), BLOCK):
            block = slice(start, start + BLOCK)
            possible = _bound(released_coarse[block], patients_coarse) >= NEAR - ROUNDING
            rows, columns = (np.flatnonzero(possible.any(axis=axis)) for axis in (1, 0))
            alike = np.abs(released[block][rows] @ patients[columns].T).max(axis=1, initial=0.0)
            found.update(numbers[block][rows[alike >= NEAR]].tolist())
        known.update(_outlines(patches.label).values())
    copied = [number for number, outline in _outlines(labels).items() if outline in known]
    return sorted(found), copied


def _normalise(images: NDArray) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return images that are not constant, as rows of mean 0 and norm 1, and their numbers."""
    rows = images.reshape(len(images), math.prod(images.shape[1:])).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    textured = np.flatnonzero(norms > 1e-3 * np.sqrt(rows.shape[1]))
    if len(textured) < len(rows):
        rows = rows[textured]
    rows /= norms[textured, None]
    return rows, textured


def _coarsen(rows: NDArray[np.float32], shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Return normalised images as coarse ones, and in the last column what these leave out.

    Each square of COARSE x COARSE pixels becomes its sum by the root of its number of pixels, which is the
    image's component along that square's mean. The last column is the norm of the rest.
    """
    edges = [np.arange(0, side, COARSE) for side in shape]
    sides = [np.diff(np.append(starts, side)) for starts, side in zip(edges, shape, strict=True)]
    sums = np.add.reduceat(rows.reshape(-1, *shape), edges[1], axis=2)
    sums = np.add.reduceat(sums, edges[0], axis=1) / np.sqrt(np.outer(*sides).astype(np.float32))
    coarse = sums.reshape(len(rows), math.prod(sums.shape[1:]))
    left_out = np.sqrt(np.clip(1 - np.einsum("ij,ij->i", coarse, coarse), 0, None))
    return np.column_stack([coarse, left_out])


def _bound(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the most that the correlation of any two images can be, from their coarse forms.

    A correlation is the scalar product of the coarse images plus that of the rests. The second is at most the
    product of the rests' norms (Cauchy and Schwarz).
    """
    return np.abs(one[:, :-1] @ other[:, :-1].T) + np.outer(one[:, -1], other[:, -1])


def _outlines(labels: NDArray[np.bool_]) -> dict[int, bytes]:
    """Return the labels with enough vessel pixels to be told apart, as bytes, by their numbers."""
    counts = labels.sum(axis=(1, 2))
    packed = np.packbits(labels.reshape(len(labels), math.prod(labels.shape[1:])), axis=1)
    return {int(number): packed[number].tobytes() for number in np.flatnonzero(counts >= LABEL_PIXELS)}
