"""The voxel grid laid over the template head.

All anatomy is described in template millimetres: RAS axes, x = 0 on the midline, z = 0 a little below the
circle of Willis, a brain about 126 x 158 x 124 mm. A grid with a small field of view holds a head shrunk by
`scale`.
"""

from dataclasses import dataclass

import numpy as np

# Template mm in plane that must fit: 312 x 384 voxels of 0.5 mm (Kossen 2022, section 3.1).
FIELD_OF_VIEW = (156.0, 192.0)
FULL_SLAB = 88.9  # template mm of the paper's 127 slices of 0.7 mm
FULL_BOTTOM = -26.0  # template mm, lower edge of a full slab: petrous carotid and foramen magnum
THIN_BOTTOM = -8.0  # template mm, lower edge of a slab too thin for that: just under the circle of Willis

Box = tuple[slice, slice, slice]
WHOLE: Box = (slice(None), slice(None), slice(None))


@dataclass(frozen=True)
class Frame:
    """Voxel grid: shape, spacing in mm, millimetres per template millimetre, template position of voxel 0."""

    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    scale: float
    origin: tuple[float, float, float]

    @property
    def step(self) -> np.ndarray:
        """Voxel size in template mm, (3,)."""
        return np.asarray(self.spacing) / self.scale

    @property
    def affine(self) -> np.ndarray:
        """Voxel to RAS mm, (4, 4)."""
        affine = np.diag((*self.spacing, 1.0))
        affine[:3, 3] = np.asarray(self.origin) * self.scale
        return affine

    def axes(self, box: Box = WHOLE) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return x (nx, 1, 1), y (1, ny, 1) and z (1, 1, nz) of a box's voxels in template mm, float32."""
        lines = [o + s * np.arange(n) for o, s, n in zip(self.origin, self.step, self.shape, strict=True)]
        x, y, z = (line.astype(np.float32)[part] for line, part in zip(lines, box, strict=True))
        return x[:, None, None], y[None, :, None], z[None, None, :]

    def box(self, low: np.ndarray, high: np.ndarray) -> Box:
        """Return the slices of voxels with centres between two template corners; empty outside the grid."""
        first = np.ceil((np.asarray(low) - self.origin) / self.step).astype(int)
        last = np.floor((np.asarray(high) - self.origin) / self.step).astype(int) + 1
        bounds = zip(first, last, self.shape, strict=True)
        x, y, z = (slice(int(np.clip(a, 0, n)), int(np.clip(b, 0, n))) for a, b, n in bounds)
        return x, y, z


def fit_frame(*, shape: tuple[int, int, int], spacing: tuple[float, float, float]) -> Frame:
    """Return the frame that just holds the head in plane; its slab starts where arteries enter the brain."""
    extent = np.asarray(shape) * np.asarray(spacing, float)
    scale = float(min(extent[0] / FIELD_OF_VIEW[0], extent[1] / FIELD_OF_VIEW[1]))
    size = extent / scale
    bottom = FULL_BOTTOM if size[2] >= 0.9 * FULL_SLAB else THIN_BOTTOM
    corner = np.array([-size[0] / 2, -size[1] / 2, bottom])
    x, y, z = corner + 0.5 * np.asarray(spacing) / scale
    return Frame(tuple(shape), tuple(spacing), scale, (float(x), float(y), float(z)))
