"""Synthetic images that resemble real patches: copies, also moved, mirrored or partly replaced ones.

The result is advice for the owner of the data and decides nothing about a release. A decision that looked at
training patches would tell something about them, which no eps covers (docs/privacy.md). So it stays inside.

A copy is found by its parts: each quarter of an image is moved over every real patch, and an equal quarter is
enough. Parts are compared by normalised cross-correlation, which no change of brightness or contrast alters.
A first look at coarse parts ranks the real patches for each part; the first few are compared exactly, by FFT.
"""

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from privessel.cohort.patches import Patches

# Correlation from which on a part is reported as copied. Rounding to 8 bits leaves more than 0.999 of a copy.
NEAR = 0.98
MOVED = 4  # pixels by which a copy may have been moved, in the first look
# Only real patches that resemble a coarse part by so much are compared exactly, at most BEST for each part. A
# move by a pixel, which the first look does not follow, lowers the correlation of a coarse copy far less.
COARSE_NEAR, BEST = 0.7, 2
SMALLEST = 20  # pixels of a part's side; smaller images have one part, because small parts resemble by chance
FLAT = 0.1  # parts of less contrast than this share of their image's carry nothing and are passed over
LABEL_PIXELS = 64  # labels of fewer vessel pixels may be equal by chance
BLOCK = 2048  # images compared at a time
AT_ONCE = 256  # pairs compared exactly at a time

# As it is, mirrored along the one axis, and along the other.
MIRRORS = ((1, 1), (-1, 1), (1, -1))


@dataclass(frozen=True, order=True)
class Likeness:
    """The real patch that resembles an image most, or whose label is equal: `kind` is 'image' or 'label'.

    `patch` is counted from 0 among the patches of `patient`. `correlation` is that of the part that resembles
    most, 1 for labels.
    """

    correlation: float
    kind: str
    number: int
    patient: str
    patch: int
    mirrored: bool

    @property
    def copied(self) -> bool:
        """Whether it is reported as a copy."""
        return self.correlation >= NEAR


def find_copies(
    images: NDArray, labels: NDArray[np.bool_], real: Sequence[Callable[[], Patches]]
) -> list[Likeness]:
    """Return for each image of `images` (n, s, s) the most alike real patch, and equal labels; largest first.

    real: functions that load the patches of one patient each; they are called twice. An image that is flat,
    or that resembles no patch even coarsely, has no entry. Raises ValueError where real patches have another
    size than the images.
    """
    parts = _Parts(images)
    known: dict[bytes, tuple[str, int, bool]] = {}
    for patient, load in enumerate(real):
        patches = load()
        if patches.image.shape[1:] != images.shape[1:]:
            raise ValueError(f"patches of {patches.image.shape[1:]} pixels, images of {images.shape[1:]}")
        parts.look(patient, patches.image)
        for mirror in reversed(MIRRORS):
            outlines = _outlines(_mirrored(patches.label, mirror))
            known |= {
                outline: (patches.patients[patches.patient_index[number]], number, mirror != (1, 1))
                for number, outline in outlines.items()
            }
    found: dict[int, Likeness] = {}
    for patient, load in enumerate(real):
        numbers, others = parts.candidates(patient)
        if len(numbers):
            patches = load()
            for number, other, correlation, mirrored in parts.compare(numbers, others, patches.image):
                of = patches.patients[patches.patient_index[other]]
                one = Likeness(correlation, "image", number, of, other, mirrored)
                found[number] = max(one, found.get(number, one))
    equal = [
        Likeness(1.0, "label", number, *known[outline])
        for number, outline in _outlines(labels).items()
        if outline in known
    ]
    return sorted([*found.values(), *equal], key=lambda one: (-one.correlation, one.kind, one.number))


class _Parts:
    """The parts of all images, and for each the BEST real patches of the first look."""

    def __init__(self, images: NDArray) -> None:
        side = images.shape[1]
        self.reach = min(MOVED, side // 6)
        inner = side - 2 * self.reach
        self.across = 2 if inner // 2 >= SMALLEST else 1
        self.pool = max(1, side // 24)
        self.side = inner // self.across // self.pool * self.pool
        self.corners = [
            (self.reach + row * self.side, self.reach + column * self.side)
            for row in range(self.across)
            for column in range(self.across)
        ]
        self.images = images
        self.scores = np.full((len(self.corners), len(images), BEST), -1.0, np.float32)
        self.found = np.full((len(self.corners), len(images), BEST, 2), -1, np.int64)  # patient, patch
        self.coarse = [self._describe(images, corner, images) for corner in self.corners]

    def look(self, patient: int, real: NDArray) -> None:
        """Compare coarse parts with those of a patient's patches, moved by every second pixel or so."""
        step = max(1, self.pool // 2)
        moves = range(-self.reach, self.reach + 1, step)
        for part, (row, column) in enumerate(self.corners):
            windows = [
                self._describe(_mirrored(real, mirror), (row + down, column + right))
                for mirror in MIRRORS
                for down in moves
                for right in moves
            ]
            for start in range(0, len(self.images), BLOCK):
                block = slice(start, start + BLOCK)
                coarse = self.coarse[part][block]
                best = np.zeros((len(coarse), len(real)), np.float32)
                product = np.empty_like(best)
                for window in windows:
                    np.matmul(coarse, window.T, out=product)
                    np.abs(product, out=product)
                    np.maximum(best, product, out=best)
                self._keep(part, block, best, patient)

    def candidates(self, patient: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return (part, image) and patches of a patient that are to be compared exactly."""
        part, image, place = np.nonzero((self.found[..., 0] == patient) & (self.scores >= COARSE_NEAR))
        return np.stack([part, image], axis=1), self.found[part, image, place, 1]

    def compare(
        self, numbers: NDArray[np.int64], others: NDArray[np.int64], real: NDArray
    ) -> Iterator[tuple[int, int, float, bool]]:
        """Yield image, patch, largest correlation of a part at any place, and whether it is mirrored."""
        for start in range(0, len(numbers), AT_ONCE):
            pairs, patches = numbers[start : start + AT_ONCE], others[start : start + AT_ONCE]
            parts = np.stack(
                [
                    self.images[image, row : row + self.side, column : column + self.side]
                    for part, image in pairs
                    for row, column in [self.corners[part]]
                ]
            )
            found = np.stack(
                [_correlate(parts, _mirrored(real[patches], mirror)) for mirror in MIRRORS], axis=1
            )
            best = found.argmax(axis=1)
            for (_, image), patch, way, values in zip(pairs, patches, best, found, strict=True):
                yield int(image), int(patch), float(values[way]), bool(way)

    def _describe(
        self, images: NDArray, corner: tuple[int, int], whole: NDArray | None = None
    ) -> NDArray[np.float32]:
        """Return a part of images, coarse, as rows of mean 0 and norm 1; 0 where `whole` varies far more."""
        (row, column), side, pool = corner, self.side, self.pool
        part = images[:, row : row + side, column : column + side].astype(np.float32)
        rows = part.reshape(len(part), side // pool, pool, side // pool, pool).mean(axis=(2, 4))
        rows = rows.reshape(len(rows), -1)
        rows -= rows.mean(axis=1, keepdims=True)
        norms = np.linalg.norm(rows, axis=1)
        least = np.full(len(rows), 1e-6)
        if whole is not None:
            least = np.maximum(least, FLAT * whole.std(axis=(1, 2)) * np.sqrt(rows.shape[1]))
        return rows * np.where(norms > least, 1 / np.maximum(norms, 1e-12), 0)[:, None].astype(np.float32)

    def _keep(self, part: int, block: slice, best: NDArray[np.float32], patient: int) -> None:
        """Keep the BEST patches of each image's part, of this patient and of those before."""
        most = min(BEST, best.shape[1])
        new = np.argpartition(best, -most, axis=1)[:, -most:]
        scores = np.concatenate([self.scores[part, block], np.take_along_axis(best, new, axis=1)], axis=1)
        names = np.stack([np.full_like(new, patient), new], axis=2)
        names = np.concatenate([self.found[part, block], names], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :BEST]
        self.scores[part, block] = np.take_along_axis(scores, order, axis=1)
        self.found[part, block] = np.take_along_axis(names, order[..., None], axis=1)


def _correlate(parts: NDArray, real: NDArray) -> NDArray[np.floating]:
    """Return the largest correlation, or inverse one, of each part (n, t, t) with any place of (n, s, s)."""
    side, size = parts.shape[1], real.shape[1:]
    parts, real = parts.astype(np.float32), real.astype(np.float32)
    parts -= parts.mean(axis=(1, 2), keepdims=True)
    real -= real.mean(axis=(1, 2), keepdims=True)
    real /= np.maximum(np.abs(real).max(axis=(1, 2), keepdims=True), 1e-12)
    product = fft.irfft2(fft.rfft2(real) * fft.rfft2(parts, s=size).conj(), s=size)
    last = [length - side + 1 for length in size]  # behind them the part would not lie inside
    sums, squares = (_windows(values.astype(np.float64), side) for values in (real, real**2))
    spread = np.sqrt(np.clip(squares - sums**2 / side**2, 0, None))
    norms = spread * np.linalg.norm(parts, axis=(1, 2))[:, None, None]
    least = 1e-6 * np.maximum(norms.max(axis=(1, 2), keepdims=True), 1e-300)
    found = np.abs(product[:, : last[0], : last[1]]) / np.maximum(norms, least)
    return np.where(norms > least, found, 0).max(axis=(1, 2))


def _windows(values: NDArray, side: int) -> NDArray[np.float64]:
    """Return the sum of each window of `side` x `side` pixels."""
    total = np.pad(values.cumsum(axis=1).cumsum(axis=2), ((0, 0), (1, 0), (1, 0)))
    rows = total[:, side:] - total[:, :-side]
    return rows[:, :, side:] - rows[:, :, :-side]


def _mirrored(images: NDArray, mirror: tuple[int, int]) -> NDArray:
    return images[:, :: mirror[0], :: mirror[1]]


def _outlines(labels: NDArray[np.bool_]) -> dict[int, bytes]:
    """Return the labels with enough vessel pixels to be told apart, as bytes, by their numbers."""
    counts = labels.sum(axis=(1, 2))
    packed = np.packbits(np.ascontiguousarray(labels).reshape(len(labels), -1), axis=1) if len(labels) else []
    return {int(number): packed[number].tobytes() for number in np.flatnonzero(counts >= LABEL_PIXELS)}


def write_copies(path: Path, found: Sequence[Likeness]) -> None:
    """Write the report as CSV, the most alike first; its first line says that it must stay inside."""
    columns = ("kind", "number", "correlation", "copied", "patient", "patch", "mirrored")
    with path.open("w", newline="", encoding="utf-8") as file:
        file.write("# inside only: it says what training patches look like, and no eps covers it\n")
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(columns)
        for one in found:
            values = {name: getattr(one, name) for name in columns}
            rows.writerow((values | {"correlation": f"{one.correlation:.4f}"}).values())
