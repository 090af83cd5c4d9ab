"""Vessel probabilities of a whole volume, from a U-Net that works on patches."""

import numpy as np
import torch
from numpy.typing import NDArray

from privessel.cohort.patches import bounding_box, cut, rescale, stitch, tile
from privessel.device import pick_device
from privessel.unet.net import TrainedUNet, UNet

THRESHOLD = 0.5  # a voxel is vessel above this probability: Kossen et al. 2022, as in Livne et al. 2019


def predict_probability(
    trained: TrainedUNet,
    image: NDArray[np.float32],
    brain: NDArray[np.bool_],
    *,
    stride: int,
    batch: int,
    device: str,
) -> NDArray[np.float32]:
    """Return the vessel probability of each voxel (x, y, z) of a brain-masked image, zero outside the brain.

    Patches of the size the U-Net was trained on tile the brain's bounding box in each axial slice, `stride`
    voxels apart; where they overlap, the probability is their mean. Each is scaled and standardised like the
    training patches; those without a brain voxel are left out; `batch` of them go through the network at
    once. `probability > THRESHOLD` is the vessel mask. Raises ValueError for an empty brain, and for a volume
    or a stride that does not fit the patch.
    """
    size, target = trained.patch_size, pick_device(device)
    network = trained.network(target)
    total = np.zeros(image.shape, dtype=np.float32)
    count = np.zeros(image.shape, dtype=np.uint16)
    centres = brain_tiles(brain, size=size, stride=stride)
    for centres_of_batch in np.split(centres, range(batch, len(centres), batch)):
        probabilities = predict_patches(trained, network, cut(image, centres_of_batch, size), target)
        stitch(total, count, probabilities, centres_of_batch)
    return np.where(brain, total / np.maximum(count, 1), np.float32(0))


def predict_patches(
    trained: TrainedUNet, network: UNet, images: NDArray[np.float32], target: torch.device
) -> NDArray[np.float32]:
    """Return the vessel probability of each pixel of raw patches (n, s, s), all of them at once.

    Each patch is scaled and standardised like those that `trained` was trained on; `network` is
    `trained.network(target)`.
    """
    scaled = (rescale(images, 0, 255) - trained.mean) / trained.sd
    inputs = torch.from_numpy(scaled.astype(np.float32))[:, None].to(target)
    with torch.inference_mode():
        return network(inputs.contiguous(memory_format=torch.channels_last))[:, 0].cpu().numpy()


def brain_tiles(brain: NDArray[np.bool_], *, size: int, stride: int) -> NDArray[np.int64]:
    """Return the centres (n, 3) of tiles that cover the brain slice by slice, each with a brain voxel.

    Raises ValueError where the mask is empty or the volume smaller than a tile.
    """
    centres = []
    slices = bounding_box(brain)[2]
    for z in range(slices.start, slices.stop):
        if brain[:, :, z].any():
            in_plane = bounding_box(brain[:, :, z])
            centres.append(tile((*in_plane, slice(z, z + 1)), brain.shape, size=size, stride=stride))
    tiles = np.concatenate(centres)
    return tiles[cut(brain, tiles, size).any(axis=(1, 2))]
