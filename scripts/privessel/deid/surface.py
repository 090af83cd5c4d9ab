"""The surface of a head, by rays from random directions: equations 1 to 5 of the C-DeID-GAN paper.

A voxel's value is the share of rays that met the head there first, over random rotations and the six
directions along the axes. The paper does not say how many rotations it takes; `deid.rotations` does.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform
from scipy.spatial.transform import Rotation

from privessel.deid.render import SKIN


def first_hits(head: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return for each voxel of `head` the share of the six axis directions whose ray meets it first.

    Equations 2 to 4. A line through the volume that misses the head has no first voxel.
    """
    hits = np.zeros(head.shape, np.float32)
    for axis in range(3):
        crossed = head.any(axis=axis, keepdims=True)
        for nearest in (head.argmax(axis), head.shape[axis] - 1 - np.flip(head, axis).argmax(axis)):
            places = np.expand_dims(nearest, axis)
            more = np.take_along_axis(hits, places, axis) + crossed
            np.put_along_axis(hits, places, more, axis)
    return hits / 6


def find_surface(
    image: NDArray, random: np.random.Generator, *, rotations: int, level: float = SKIN
) -> NDArray[np.float32]:
    """Return the probability of each voxel to belong to the surface (S, S, S), equation 5.

    image: (S, S, S); `level` is what separates the head from air (delta in equation 1). `rotations` are drawn
    uniformly from all rotations about the volume's centre.
    """
    centre = (np.array(image.shape) - 1) / 2
    head = (image >= level).astype(np.float32)
    total = np.zeros(image.shape, np.float32)
    for matrix in Rotation.random(rotations, rng=random).as_matrix():
        turned = affine_transform(head, matrix, centre - matrix @ centre, order=1) >= 0.5
        total += affine_transform(first_hits(turned), matrix.T, centre - matrix.T @ centre, order=1)
    return np.clip(total / rotations, 0, 1)
