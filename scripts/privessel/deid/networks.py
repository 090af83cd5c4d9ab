"""Generator and discriminator of C-DeID-GAN: heads at every scale, made around the original brain.

Section 3.2 of the paper ("Adversarial Privacy Preservation in MRI Scans of the Brain", 2020), a conditional
MSG-GAN in 3-D whose scales pass on single-channel images. The paper's appendix, with widths and further
choices, was never published: whatever is marked as ours is a choice of this project.

Images are (n, 1, s, s, s) float32 in [-1, 1], air is -1. Lists over scales have the finest first.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from privessel.deid.blocks import IMAGE_GAIN, SLOPE, body, halving, initialise
from privessel.deid.pyramid import Scale, halve_images, keep_known
from privessel.deid.shape import HeadGanShape
from privessel.study.names import COARSEST

GAMMA_CHANNELS, COORDINATES = 3, 3
MEAN_RANGE = 0.97  # the mean head is shrunk to this range, because tanh never reaches -1 and 1


class Generator(nn.Module):
    """Gamma and noise to heads at every scale, from 4^3 voxels to size^3 (equation 6).

    Every scale doubles the image before it (nearest neighbour), sees gamma at its own size and makes one
    channel. Then the brain is pasted in, and outside of the hull there is air.
    """

    def __init__(self, shape: HeadGanShape, *, generator: torch.Generator) -> None:
        super().__init__()
        self.shape = shape
        inputs = 1 + GAMMA_CHANNELS + shape.noise + (COORDINATES + 1 if shape.place else 0)
        self.bodies = nn.ModuleList(body(shape.blocks, inputs, width) for width in shape.generator_widths)
        self.images = nn.ModuleList(nn.Conv3d(width, 1, 3, padding=1) for width in shape.generator_widths)
        if shape.place:
            self.register_buffer("mean_head", torch.zeros(1, 1, *[shape.size] * 3))
        initialise(self, generator=generator)
        with torch.no_grad():
            for layer in self.images:
                layer.weight.mul_(IMAGE_GAIN)

    def start_from(self, mean_head: Tensor) -> None:
        """Set the head, (s, s, s) in [-1, 1], that all images start from; only for a shape with `place`."""
        self.mean_head.copy_(mean_head)

    def draw(self, heads: int, generator: torch.Generator) -> list[Tensor]:
        """Draw the Gaussian input of so many heads, on the generator's device.

        The first is the start, (heads, 1, 2, 2, 2); the others are the noise of each scale, coarsest first.
        """
        shapes = [(1, 2, 2, 2)]
        shapes += [(self.shape.noise, *[COARSEST * 2**k] * 3) for k in range(self.shape.scales)]
        return [torch.randn(heads, *shape, generator=generator, device=generator.device) for shape in shapes]

    def forward(self, scales: Sequence[Scale], noise: Sequence[Tensor]) -> list[Tensor]:
        """Return the heads at each scale from gamma (pyramid.halve_gamma) and noise (`draw`)."""
        image, *noise = noise
        means = halve_images(self.mean_head, self.shape.scales) if self.shape.place else None
        made = []
        for k, (layers, last) in enumerate(zip(self.bodies, self.images, strict=True)):
            scale = scales[-1 - k]
            doubled = functional.interpolate(image, scale_factor=2, mode="nearest")
            seen = [doubled, scale.gamma, noise[k]]
            if means:
                start = MEAN_RANGE * means[-1 - k]
                place = torch.cat([coordinates(start.shape[-1], start.device), start], dim=1)
                seen.append(place.expand(len(image), -1, -1, -1, -1))
            logits = last(layers(_joined(seen)))
            image = keep_known(torch.tanh(logits + torch.atanh(start) if means else logits), scale)
            made.append(image)
        return made[::-1]


class Discriminator(nn.Module):
    """Heads at every scale and gamma to scores (n,) (equation 7).

    Features pass from a scale to the next one with all their channels, as in MSG-GAN; the paper's formula
    could also be read as a single channel.
    """

    def __init__(self, shape: HeadGanShape, *, generator: torch.Generator) -> None:
        super().__init__()
        *finer, coarsest = shape.discriminator_widths[::-1]
        images = 1 + GAMMA_CHANNELS
        inputs = [images, *(images + width for width in finer)]
        self.bodies = nn.ModuleList(
            halving(shape.blocks, before, width) for before, width in zip(inputs, finer, strict=False)
        )
        self.bodies.append(nn.Sequential(nn.Conv3d(inputs[-1], coarsest, 3, padding=1), nn.LeakyReLU(SLOPE)))
        self.last = nn.Linear(coarsest * COARSEST**3, 1)
        initialise(self, generator=generator)

    def forward(self, images: Sequence[Tensor], scales: Sequence[Scale]) -> Tensor:
        """Return a score for each of the n heads."""
        features = []
        for layers, image, scale in zip(self.bodies, images, scales, strict=True):
            features = [layers(_joined([image, scale.gamma, *features]))]
        return self.last(features[0].flatten(1))[:, 0]


def coordinates(size: int, device: torch.device) -> Tensor:
    """Return (1, 3, size, size, size): each voxel's place along the three axes, from -1 to 1."""
    axis = torch.linspace(-1, 1, size, device=device)
    return torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"))[None]


def _joined(channels: Sequence[Tensor]) -> Tensor:
    """Join channels in the memory layout in which 3-D convolutions are about twice as fast on a CPU."""
    return torch.cat(list(channels), dim=1).contiguous(memory_format=torch.channels_last_3d)
