"""A head's volumes at every scale of the GAN, each half as large as the one before.

Images are halved by averaging cells of 2 x 2 x 2 voxels. In a binary volume the average is taken as the
probability of a one and then drawn, so that the halved volume is binary too and has the same share of ones in
expectation (C-DeID-GAN, section 3.2, "Resampling blocks").
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

AIR = -1.0  # the grey value of air, where images lie in [-1, 1]
HULL, BRAIN, INSIDE = 0, 1, 2  # channels of gamma: hull, brain mask, image inside the brain mask


class Scale(NamedTuple):
    """What both networks are told of a head at one scale. All are (n, channels, s, s, s) float32.

    The masks say where an image is known. They follow from the finest scale without any chance, so a fake
    shows there exactly what the original shows, and no network can tell the two apart by these voxels.
    """

    gamma: Tensor  # three channels: hull and brain mask (binary), image inside the brain mask
    brain: Tensor  # one channel: 1 where a voxel holds nothing but brain
    room: Tensor  # one channel: 1 where a voxel holds any of the hull or of the brain


def pool(volumes: Tensor, *, draw: torch.Generator | None = None) -> Tensor:
    """Halve (n, channels, s, s, s) to (n, channels, s/2, s/2, s/2) by the mean of cells of 2 x 2 x 2 voxels.

    With `draw`, a random generator on the volumes' device, values must lie in [0, 1]. Each mean is then the
    probability of a one in the binary volumes that are returned.
    """
    means = functional.avg_pool3d(volumes, 2)
    return means if draw is None else torch.bernoulli(means, generator=draw)


def halve_images(images: Tensor, scales: int) -> list[Tensor]:
    """Return (n, 1, s, s, s) images at so many scales, the finest first; each is half of the one before."""
    pyramid = [images]
    while len(pyramid) < scales:
        pyramid.append(pool(pyramid[-1]))
    return pyramid


def halve_gamma(gamma: Tensor, scales: int, *, draw: torch.Generator) -> list[Scale]:
    """Return gamma, (n, 3, s, s, s), at so many scales, the finest first.

    gamma has the hull and the brain mask, both binary, and the image inside the brain mask, 0 outside. The
    binary ones are drawn anew at every scale from the scale before.
    """
    hull, brain = gamma[:, HULL : HULL + 1], gamma[:, BRAIN : BRAIN + 1]
    pyramid = [Scale(gamma, brain, torch.maximum(hull, brain))]
    while len(pyramid) < scales:
        finer = pyramid[-1]
        binary = pool(finer.gamma[:, :INSIDE], draw=draw)
        inside = pool(finer.gamma[:, INSIDE:])
        pyramid.append(
            Scale(
                gamma=torch.cat([binary, inside], dim=1),
                brain=-functional.max_pool3d(-finer.brain, 2),
                room=functional.max_pool3d(finer.room, 2),
            )
        )
    return pyramid


def keep_known(images: Tensor, scale: Scale) -> Tensor:
    """Return (n, 1, s, s, s) images with the original brain pasted in and air outside of hull and brain.

    The brain is copied, not blended, so its values are the original's to the last bit (section 3.2, "Brain
    Preservation"). Air outside of the hull is not in the paper.
    """
    images = torch.where(scale.room > 0, images, AIR)
    return torch.where(scale.brain > 0, scale.gamma[:, INSIDE:], images)
