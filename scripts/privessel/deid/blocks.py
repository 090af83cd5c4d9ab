"""The layers that generator and discriminator are made of, and how their weights start."""

import math

import torch
from torch import Tensor, nn

SLOPE = 0.2  # of leaky ReLU below zero, in all layers (ours; MSG-GAN has the same)
EXPANSION = 2  # of an inverted residual: the paper only says "modified MobileNet v2"; v2 itself has 6
IMAGE_GAIN = 0.1  # of the layers that make images, so that they start near grey or near the mean head


class PixelNorm(nn.Module):
    """Divide the features of each voxel by their root mean square (Karras et al. 2018, section 4.2)."""

    def forward(self, features: Tensor) -> Tensor:
        """(n, channels, ...) to the same."""
        return features * torch.rsqrt(features.square().mean(dim=1, keepdim=True) + 1e-6)


class InvertedResidual(nn.Module):
    """MobileNet v2's block: widen by 1 x 1 x 1, convolve every channel by itself, narrow by 1 x 1 x 1.

    With a stride of 1 the input is added where it has as many channels. With a stride of 2 the size is
    halved by kernels of 4 voxels, which weigh all voxels alike. The output is linear, as in Sandler et al.
    2018.
    """

    def __init__(self, inputs: int, outputs: int, *, stride: int = 1) -> None:
        super().__init__()
        inner = EXPANSION * outputs
        self.layers = nn.Sequential(
            nn.Conv3d(inputs, inner, 1),
            nn.LeakyReLU(SLOPE),
            nn.Conv3d(inner, inner, 3 if stride == 1 else 4, stride=stride, padding=1, groups=inner),
            nn.LeakyReLU(SLOPE),
            nn.Conv3d(inner, outputs, 1),
        )
        self.residual = stride == 1 and inputs == outputs

    def forward(self, features: Tensor) -> Tensor:
        """(n, inputs, s, s, s) to (n, outputs, s / stride, ...)."""
        made = self.layers(features)
        return features + made if self.residual else made


def body(blocks: str, inputs: int, width: int) -> nn.Sequential:
    """Return the hidden layers of one scale of the generator, from `inputs` channels to `width`."""
    first = [nn.Conv3d(inputs, width, 3, padding=1), nn.LeakyReLU(SLOPE), PixelNorm()]
    if blocks == "mobile":
        return nn.Sequential(*first, InvertedResidual(width, width))
    return nn.Sequential(*first, nn.Conv3d(width, width, 3, padding=1), nn.LeakyReLU(SLOPE), PixelNorm())


def halving(blocks: str, inputs: int, width: int) -> nn.Sequential:
    """Return the layers of one scale of the discriminator, which halve the size."""
    if blocks == "mobile":
        return nn.Sequential(InvertedResidual(inputs, width, stride=2), nn.LeakyReLU(SLOPE))
    return nn.Sequential(nn.Conv3d(inputs, width, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE))


def initialise(network: nn.Module, *, generator: torch.Generator) -> None:
    """Draw all weights anew: He's normal distribution for leaky ReLU, biases zero (ours).

    A linear layer, which no ReLU follows, starts uniform within 1/sqrt(fan-in).
    """
    for layer in network.modules():
        if isinstance(layer, nn.Conv3d):
            nn.init.kaiming_normal_(layer.weight, a=SLOPE, generator=generator)
            nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.Linear):
            bound = 1 / math.sqrt(layer.in_features)
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            nn.init.zeros_(layer.bias)
