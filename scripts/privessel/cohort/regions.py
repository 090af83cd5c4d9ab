"""How many of a patient's patches show one and the same place, and how sampling keeps that number down.

A patch is axial, so a voxel lies only in patches of its own slice. Patches that share a voxel all show what
is there: whoever wants to know whether that place was trained on looks at all of them, and the noise must
hide them together. See docs/privacy.md.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from privessel.cohort.patches import Patches
from privessel.errors import CohortError


def largest_overlap(centres: NDArray[np.integer], labels: NDArray[np.bool_]) -> int:
    """Return the most patches of one patient that cover one same vessel voxel, at least 1.

    centres (n, 3) and labels (n, s, s) are those of the patient's patches; a pixel beyond the volume is no
    vessel. Where no patch shows a vessel, the patches on any one voxel are counted instead.
    """
    size, most = labels.shape[1], 1
    marked = labels if labels.any() else np.ones_like(labels)
    for z in np.unique(centres[:, 2]):
        members = np.flatnonzero(centres[:, 2] == z)
        corners = centres[members, :2] - centres[members, :2].min(axis=0)
        cover = _count_squares(corners, size)
        for (x, y), mask in zip(corners, marked[members], strict=True):
            covered = cover[x : x + size, y : y + size][mask]
            most = max(most, int(covered.max(initial=0)))
    return most


def region_patches(patches: Patches, *, max_overlap: int | None) -> int:
    """Return how many patches one place of a patient may be in; as `state_overlap` of the patients' own."""
    found = {}
    for index, patient in enumerate(patches.patients):
        own = patches.patient_index == index
        found[patient] = largest_overlap(patches.centre[own], patches.label[own])
    return state_overlap(found, max_overlap=max_overlap)


def state_overlap(found: Mapping[str, int], *, max_overlap: int | None) -> int:
    """Return the overlap that is stated of a cohort: `max_overlap`, or the most that was `found`.

    Where the config bounds the overlap, the bound is stated instead of what was found, because what was found
    depends on the patients. Raises CohortError where the patches do not keep the bound.
    """
    worst = max(found, key=found.get)
    if max_overlap is None:
        return found[worst]
    if found[worst] > max_overlap:
        raise CohortError(
            f"patient {worst}: {found[worst]} patches cover one vessel voxel, but patches.max_overlap is "
            f"{max_overlap}. Remedy: remove the patient's file of patches and run the same command again; it "
            "is made anew"
        )
    return max_overlap


class Cover:
    """How many accepted patches cover each voxel, and which centres would put more than `most` on one."""

    def __init__(self, shape: tuple[int, int, int], *, size: int, most: int) -> None:
        """Start without patches; `shape` is the volume's, `size` the patches' side in pixels."""
        self._size, self._most = size, most
        self._count = np.zeros(shape, dtype=np.int32)
        self._closed = np.zeros(shape, dtype=bool)

    def accept(self, order: NDArray[np.integer], *, n: int) -> NDArray[np.int64]:
        """Accept the first `n` flat indices of `order` that keep the bound; fewer where there are no more."""
        taken, closed = [], self._closed.reshape(-1)
        for index in order:
            if len(taken) == n:
                break
            if not closed[index]:
                taken.append(index)
                self._add(np.unravel_index(index, self._count.shape))
        return np.array(taken, dtype=np.int64)

    def _add(self, centre: tuple[np.integer, ...]) -> None:
        """Count one more patch, and close every centre whose patch would show a voxel that is full by it."""
        x, y, z = (int(part) for part in centre)
        before, after = self._size // 2, self._size - self._size // 2
        rows, columns = (slice(max(0, part - before), part + after) for part in (x, y))
        self._count[rows, columns, z] += 1
        full = np.argwhere(self._count[rows, columns, z] == self._most)
        if not len(full):
            return
        # A patch covers c - before .. c + after - 1, so v lies in those of c = v - after + 1 .. v + before.
        first = full + [rows.start, columns.start] + [1 - after, 1 - after]
        low = first.min(axis=0)
        blocked = _count_squares(first - low, self._size) > 0
        blocked = blocked[max(0, -low[0]) :, max(0, -low[1]) :]
        target = self._closed[max(0, low[0]) :, max(0, low[1]) :, z]
        width, height = (min(*sides) for sides in zip(target.shape, blocked.shape, strict=True))
        target[:width, :height] |= blocked[:width, :height]


def _count_squares(corners: NDArray[np.integer], size: int) -> NDArray[np.int32]:
    """Return how many squares of a side cover each pixel; corners (n, 2) are their lowest pixels, from 0 on.

    Sums over a difference array, in which each square is opened and closed.
    """
    changes = np.zeros(corners.max(axis=0) + size + 1, dtype=np.int32)
    for dx, dy, sign in ((0, 0, 1), (size, 0, -1), (0, size, -1), (size, size, 1)):
        np.add.at(changes, (corners[:, 0] + dx, corners[:, 1] + dy), sign)
    return changes.cumsum(axis=0).cumsum(axis=1)
