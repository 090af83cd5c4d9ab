"""Renderings of a head as a viewer would make them: depth of the first hit along a ray, and its shading."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter, zoom

SKIN = (
    0.2  # a share of white matter above which a voxel belongs to the head, above noise (delta of the paper)
)
_LIGHT = np.array([-0.45, -0.75, 0.5]) / np.linalg.norm([0.45, 0.75, 0.5])  # from the upper left, in front


def turn_head(image: NDArray, yaw: float) -> NDArray:
    """Return a volume (x, y, z) turned by `yaw` degrees about the vertical axis through its centre."""
    if yaw == 0:
        return image
    angle = np.deg2rad(yaw)
    cosine, sine = np.cos(angle), np.sin(angle)
    matrix = np.array([[cosine, -sine, 0], [sine, cosine, 0], [0, 0, 1]])
    centre = (np.array(image.shape) - 1) / 2
    return affine_transform(image, matrix, centre - matrix @ centre, order=1)


def measure_depth(image: NDArray, *, yaw: float = 0, level: float = SKIN) -> NDArray[np.float32]:
    """Return how far each ray from the front goes, in voxels, until the image first reaches `level`.

    image (x, y, z), y to the front. The result (x, z) is the side length where a ray hits nothing; between
    two voxels the crossing is found linearly.
    """
    rays = turn_head(image, yaw)[:, ::-1, :]
    reached = rays >= level
    first = reached.argmax(1)
    here = np.take_along_axis(rays, first[:, None], 1)[:, 0]
    before = np.take_along_axis(rays, np.maximum(first - 1, 0)[:, None], 1)[:, 0]
    rise = np.maximum(here - before, 1e-6)
    between = np.where(first > 0, np.clip((level - before) / rise, 0, 1), 0)
    depth = np.where(reached.any(1), np.maximum(first - 1, 0) + between, rays.shape[1])
    return depth.astype(np.float32)


def shade(image: NDArray, *, yaw: float = 0, pixels: int = 192, level: float = SKIN) -> NDArray[np.uint8]:
    """Return a picture (rows from the top, columns) of a head, seen from the front and turned by `yaw`.

    `pixels` is about the side of the picture; the background is black. The person's right is on the left.
    """
    times = max(1, pixels // image.shape[0])
    fine = zoom(gaussian_filter(np.float32(image), 0.5), times, order=1, mode="nearest", grid_mode=True)
    depth = measure_depth(fine, yaw=yaw, level=level)
    empty = depth >= fine.shape[1] - 1
    far = depth[~empty].max() if (~empty).any() else 0.0
    smooth = gaussian_filter(np.where(empty, far, depth), 0.35 * times)
    across, up = np.gradient(smooth)
    normal = np.stack([-across, -np.ones_like(across), -up])
    normal /= np.linalg.norm(normal, axis=0)
    # A surface that faces the viewer has the normal (0, 1, 0) in the head's frame, and depth grows backwards.
    bright = np.clip(-(normal[0] * _LIGHT[0] - normal[1] * _LIGHT[1] + normal[2] * _LIGHT[2]), 0, 1)
    picture = np.where(empty, 0, 30 + 225 * bright)
    return picture.T[::-1, ::-1].astype(np.uint8)
