"""The heads that a C-DeID-GAN is trained on: checked, joined to batches, mirrored and moved."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from privessel.errors import CohortError

FEWEST_PEOPLE = 2
LEFT_RIGHT = 0  # the axis of a head that mirroring turns around
LEAST_COVERED = 0.9  # share of a brain that its hull covers, below which the volumes do not belong together


@dataclass(frozen=True)
class TrainingHeads:
    """Heads with their hulls, brain masks and people; row i of each belongs to one scan.

    images: (n, s, s, s) float32 in [0, 1], air near 0; the first axis runs from left to right or back.
    hulls, brains: (n, s, s, s) bool. The arrays may be memory-mapped, because rows are taken as needed.
    people: the name of each scan's person; visits of one person share a name.
    """

    images: NDArray[np.float32]
    hulls: NDArray[np.bool_]
    brains: NDArray[np.bool_]
    people: Sequence[str]

    def __len__(self) -> int:
        return len(self.images)

    def check(self, size: int) -> None:
        """Raise ValueError where the arrays do not fit, CohortError where a head cannot be trained on.

        size: voxels a side that the networks are made for.
        """
        expected = (len(self.people), size, size, size)
        for name, kind in (("images", np.float32), ("hulls", np.bool_), ("brains", np.bool_)):
            array = getattr(self, name)
            if array.shape != expected or array.dtype != kind:
                raise ValueError(
                    f"{name} must be {expected} {np.dtype(kind)}, one row a scan and {size} voxels a side as "
                    f"the networks, not {array.shape} {array.dtype}"
                )
        if len(set(self.people)) < FEWEST_PEOPLE:
            raise CohortError(
                f"{len(set(self.people))} person to train on. Remedy: heads of {FEWEST_PEOPLE} people or more"
            )
        for row, person in enumerate(self.people):
            if fault := _fault(self.images[row], self.hulls[row], self.brains[row]):
                raise CohortError(f"head {row} (person {person}): {fault}")

    def digest(self) -> str:
        """Return a SHA-256 of all values and people, in their order."""
        sha256 = hashlib.sha256(repr((self.images.shape, list(self.people))).encode())
        for row in range(len(self)):
            for array in (self.images, self.hulls, self.brains):
                sha256.update(np.ascontiguousarray(array[row]))
        return sha256.hexdigest()

    def mean_head(self, *, flip: bool) -> Tensor:
        """Return the mean of all heads within their hulls, (s, s, s) in [-1, 1].

        With `flip` the heads' mirror images count too.
        """
        total = np.zeros(self.images.shape[1:], np.float64)
        for row in range(len(self)):
            kept = self.hulls[row] | self.brains[row]
            total += np.where(kept, self.images[row], 0)
        mean = total / len(self)
        if flip:
            mean = (mean + np.flip(mean, LEFT_RIGHT)) / 2
        return torch.from_numpy((2 * mean - 1).astype(np.float32))

    def draw(self, heads: int, *, rng: np.random.Generator, flip: bool, shift: int) -> tuple[Tensor, Tensor]:
        """Draw so many heads with replacement: images (n, 1, s, s, s) in [-1, 1], and gamma (n, 3, s, s, s).

        All heads of a draw are mirrored with probability 1/2 if `flip`, and moved by the same whole number of
        voxels, up to `shift`, along each axis. What enters at a border repeats the border.
        """
        rows = rng.integers(len(self), size=heads)
        mirrored = flip and rng.random() < 0.5
        offsets = rng.integers(-shift, shift + 1, 3)
        images, gamma = zip(
            *(make_gamma(self.images[k], self.hulls[k], self.brains[k]) for k in rows), strict=True
        )
        volumes = torch.cat([torch.stack(images), torch.stack(gamma)], dim=1)
        if mirrored:
            volumes = volumes.flip(2 + LEFT_RIGHT)
        volumes = move(volumes, offsets)
        return volumes[:, :1], volumes[:, 1:]


def make_gamma(
    image: NDArray[np.float32], hull: NDArray[np.bool_], brain: NDArray[np.bool_]
) -> tuple[Tensor, Tensor]:
    """Return one head (1, s, s, s) on the networks' scale, [-1, 1], and its gamma (3, s, s, s).

    Gamma has the hull, the brain mask, and the image inside the brain mask with 0 elsewhere. The image
    outside of the brain does not enter it.
    """
    scaled = (2 * image - 1).astype(np.float32)
    gamma = np.stack([hull, brain, np.where(brain, scaled, 0)]).astype(np.float32)
    return torch.from_numpy(scaled)[None], torch.from_numpy(gamma)


def move(volumes: Tensor, offsets: Sequence[int]) -> Tensor:
    """Return (n, channels, x, y, z) moved by whole voxels along the three axes; borders are repeated."""
    reach = max(abs(int(offset)) for offset in offsets)
    if not reach:
        return volumes
    padded = functional.pad(volumes, [reach] * 6, mode="replicate")
    window = [
        slice(reach - int(offset), reach - int(offset) + side)
        for offset, side in zip(offsets, volumes.shape[2:], strict=True)
    ]
    return padded[:, :, *window]


def _fault(image: NDArray[np.float32], hull: NDArray[np.bool_], brain: NDArray[np.bool_]) -> str:
    """Return why a head cannot be trained on, with a remedy, or nothing."""
    low, high = image.min(), image.max()
    if not np.isfinite([low, high]).all():
        return "it holds values that are not finite. Remedy: repair or leave out the scan"
    if low < 0 or high > 1:
        return f"its values run from {low:.3g} to {high:.3g}. Remedy: scale the image to 0..1"
    if low == high:
        return "it is constant. Remedy: leave out the scan"
    if not brain.any():
        return "its brain mask is empty. Remedy: give a mask, or leave out the scan"
    if (covered := (brain & hull).sum() / brain.sum()) < LEAST_COVERED:
        return (
            f"its hull covers {covered:.0%} of its brain mask. Remedy: check that both belong to this scan "
            "and lie in one frame"
        )
    if not (hull & ~brain).any():
        return "its hull holds nothing but brain, so there is no head to learn. Remedy: leave out the scan"
    return ""
