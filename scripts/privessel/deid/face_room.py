"""How much of a face a scan shows: on an upright grid of mm, whichever way the scanner's grid is turned.

Real heads are full of dark hollows near the brain. So "air" here is what is seen from the
front, from both sides or from above, and everything behind a head's surface is head.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, distance_transform_edt

from privessel.cohort.geometry import spacing_of

_FINEST_MM = 2.0  # of the upright grid
# The place behind nose and eyes, in mm to the back, upwards and downwards from the brain's front and bottom.
_BACK, _ABOVE, _BELOW = 25.0, 10.0, 30.0


@dataclass(frozen=True)
class FaceRoom:
    """Head, brain and what the scan shows at all (x, y, z), bool, in RAS; `voxel` in mm."""

    head: NDArray[np.bool_]
    brain: NDArray[np.bool_]
    scanned: NDArray[np.bool_]
    voxel: float

    @classmethod
    def turn_upright(cls, head: NDArray[np.bool_], brain: NDArray[np.bool_], affine: NDArray) -> "FaceRoom":
        """Bring masks (x, y, z) with voxel -> scanner mm `affine` onto the grid, by nearest neighbours."""
        voxel = max(_FINEST_MM, min(spacing_of(affine)))
        ends = np.array(np.meshgrid(*[(0, side - 1) for side in head.shape], [1])).reshape(4, -1)
        corners = (affine @ ends)[:3]
        shape = np.ceil(np.ptp(corners, axis=1) / voxel - 1e-3).astype(int) + 1
        grid = np.diag([voxel, voxel, voxel, 1.0])
        grid[:3, 3] = corners.min(1)
        mapping = np.linalg.inv(affine) @ grid
        head, brain, scanned = (
            affine_transform(
                mask.astype(np.uint8), mapping[:3, :3], mapping[:3, 3], output_shape=tuple(shape), order=0
            )
            > 0
            for mask in (head, brain, np.ones_like(head))
        )
        return cls(head, brain, scanned, voxel)

    @property
    def box(self) -> NDArray[np.int_]:
        """The first and last voxel of the brain along each axis, (2, 3)."""
        places = np.argwhere(self.brain)
        return np.stack([places.min(0), places.max(0)])

    @property
    def filled(self) -> NDArray[np.bool_]:
        """What is hidden behind the head from the front, from both sides and from above."""
        head = self.head
        beyond = [np.flip(np.logical_or.accumulate(np.flip(head, axis), axis), axis) for axis in range(3)]
        return np.logical_and.reduce([np.logical_or.accumulate(head, 0), *beyond])

    def share_of_face(self) -> float:
        """Return how much of the place behind nose and eyes is head: 0.9 to 1 with a face, near 0 without.

        The place is as wide as the middle half of the brain. What the scan does not show counts on no side.
        """
        (left, _, low), (right, front, _) = self.box
        back, above, below = np.rint(np.array([_BACK, _ABOVE, _BELOW]) / self.voxel).astype(int)
        quarter = (right - left) // 4
        place = (
            slice(left + quarter, right - quarter + 1),
            slice(max(front - back, 0), front),
            slice(max(low - below, 0), low + above),
        )
        scanned = self.scanned[place]
        return float(self.filled[place][scanned].mean()) if scanned.any() else 1.0

    def skin_before_brain(self) -> float:
        """Return how many mm of head lie in front of the lower front of the brain, at least."""
        to_air = distance_transform_edt(self.filled | ~self.scanned, self.voxel)
        (_, back, low), (_, front, high) = self.box
        there = np.zeros_like(self.brain)
        there[:, front - (front - back) // 4 :, : low + (high - low) // 3] = True
        there &= self.brain
        return float(to_air[there].min()) if there.any() else np.inf

    def below_brain(self) -> float:
        """Return how many mm of head are seen below the brain, in front of its middle."""
        (_, back, low), (_, front, _) = self.box
        seen = self.head[:, (back + front) // 2 :].any((0, 1))
        return max(float(low - seen.argmax()) * self.voxel, 0.0)
