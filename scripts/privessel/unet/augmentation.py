"""Random rotation, shear and mirroring of labelled patches, as in the published U-Net training."""

import numpy as np
from torch import Tensor
from torch.nn import functional

ROTATION = 30.0  # degrees to either side; this and the next from the published code of Kossen et al. 2022
SHEAR = 20.0  # degrees to either side


def random_maps(n: int, *, rng: np.random.Generator) -> np.ndarray:
    """Draw (n, 2, 2) float32 maps from output to input offsets: rotation, shear, half of them mirrored.

    The mirrored axis is a patch's first (left-right), which is what Keras' `vertical_flip` mirrors in an
    (x, y) array.
    """
    rotation = np.deg2rad(rng.uniform(-ROTATION, ROTATION, n))
    shear = np.deg2rad(rng.uniform(-SHEAR, SHEAR, n))
    sign = rng.choice([-1.0, 1.0], n)
    zero, one = np.zeros(n), np.ones(n)
    turn = np.array([[np.cos(rotation), -np.sin(rotation)], [np.sin(rotation), np.cos(rotation)]])
    slant = np.array([[one, -np.sin(shear)], [zero, np.cos(shear)]])
    mirror = np.array([[sign, zero], [zero, one]])
    return np.einsum("ijn,jkn,kln->nil", turn, slant, mirror).astype(np.float32)


def warp(images: Tensor, labels: Tensor, maps: Tensor) -> tuple[Tensor, Tensor]:
    """Return (n, 1, s, s) images (bilinear) and labels (nearest) under `maps`, zero beyond the patch.

    maps: (n, 2, 2), an output pixel's offset from the centre (first axis, second axis) to its source's.
    """
    theta = functional.pad(maps.flip(1, 2), (0, 1))  # torch names the last axis first
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    return (
        functional.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False),
        functional.grid_sample(labels, grid, mode="nearest", padding_mode="zeros", align_corners=False),
    )
