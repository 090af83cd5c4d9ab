"""The GAN's nets: a generator and a critic of labelled patches (n, 2, s, s), channels image and label.

The paper's nets (Kossen et al. 2022, figure 1) have patches of 96 pixels, 128 latent components, widths
of 96, batch norm in the generator and instance norm in the critic. Smaller patches drop stages:

    patch 96, 48, 24     base 3, with 5, 4, 3 stages
    patch 128, 64, 32    base 4, with 5, 4, 3 stages

Layers have no bias, except the critic's hidden layers where they have no norm. Elsewhere a bias would do
nothing: a norm removes it or brings its own, and in the critic's last layer the Wasserstein loss removes it.

The noise map is not in the paper. It adds white noise to every pixel, as Karras et al. 2019 do (StyleGAN,
section 3.2), so that the noise of a scan need not be made from the latent vector. Without it a small
generator makes smooth pictures only.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm
from torch.nn.utils.parametrize import is_parametrized

BASES = (3, 4)


@dataclass(frozen=True)
class GanShape:
    """Everything that decides the nets' form; ValueError for a form that cannot be built."""

    patch: int  # pixels a side: 3 or 4 times a power of two
    latent: int  # components of the generator's Gaussian input
    generator_width: int  # channels of the generator's last hidden stage, doubled with every earlier one
    critic_width: int  # channels of the critic's first stage, doubled with every later one
    generator_norm: str  # batch (the paper) | group (what Opacus' converter made of it)
    critic_norm: str  # instance (the paper; no affine parameters) | none | batch (but in the first stage)
    upsampling: (
        str  # nearest (doubling, then a 5 x 5 convolution) | transposed (convolution, kernel 4, stride 2)
    )
    noise_map: bool  # white noise added to the generator's last hidden stage, by a weight a channel

    def __post_init__(self) -> None:
        if self.base not in BASES or self.stages < 1 or self.patch != self.base * 2**self.stages:
            raise ValueError(
                f"no nets for patches of {self.patch} pixels: the size must be 3 or 4 times a power of two, "
                "such as 24, 32, 48, 64, 96 or 128"
            )
        for name in ("latent", "generator_width", "critic_width"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name, known in (
            ("generator_norm", ("batch", "group")),
            ("critic_norm", ("instance", "none", "batch")),
            ("upsampling", ("nearest", "transposed")),
        ):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, not {getattr(self, name)!r}")

    @property
    def stages(self) -> int:
        """How often the patch can be halved down to 3 or 4 pixels."""
        stages = 0
        while self.patch >> stages > max(BASES):
            stages += 1
        return stages

    @property
    def noise_side(self) -> int:
        """Pixels a side of the generator's last hidden stage, and so of its noise map."""
        return self.patch if self.upsampling == "nearest" else self.patch // 2

    @property
    def inputs(self) -> int:
        """Gaussian numbers a pair is made from: the latent vector, then the noise map if there is one."""
        return self.latent + (self.noise_side**2 if self.noise_map else 0)

    @property
    def base(self) -> int:
        """Pixels a side of the coarsest grid."""
        return self.patch >> self.stages


class Generator(nn.Module):
    """Gaussian numbers (n, inputs) to pairs (n, 2, s, s) in [-1, 1]."""

    def __init__(self, shape: GanShape):
        super().__init__()
        self.shape = shape
        widths = [shape.generator_width * 2**stage for stage in reversed(range(shape.stages))]
        grid = (widths[0], shape.base, shape.base)
        layers = [
            nn.Linear(shape.latent, math.prod(grid), bias=False),
            nn.Unflatten(1, grid),
            _norm(shape.generator_norm, widths[0]),
            nn.ReLU(),
        ]
        if shape.upsampling == "nearest":  # one convolution more than stages: the last keeps the size
            widths = [widths[0], *widths]
            layer, last = DoubledConv2d, DoubledConv2d(widths[-1], 2, stride=2)
        else:
            layer, last = _transposed, _transposed(widths[-1], 2)
        for before, after in zip(widths, widths[1:], strict=False):
            layers += [layer(before, after), _norm(shape.generator_norm, after), nn.ReLU()]
        self.hidden, self.last = nn.Sequential(*layers[:-1]), nn.Sequential(nn.ReLU(), last, nn.Tanh())
        if shape.noise_map:
            self.noise_weight = nn.Parameter(torch.ones(1, widths[-1], 1, 1))

    def forward(self, inputs: Tensor) -> Tensor:
        """(n, inputs) to (n, 2, s, s)."""
        latent, pixels = inputs.tensor_split([self.shape.latent], dim=1)
        features = self.hidden(latent)
        if self.shape.noise_map:
            # Before the ReLU, so that the features decide where noise shows.
            side = self.shape.noise_side
            features = features + self.noise_weight * pixels.reshape(-1, 1, side, side)
        return self.last(features)


class Critic(nn.Module):
    """Pairs (n, 2, s, s) to scores (n,).

    The score and gradient of a sample depend on no other sample, except with batch norm. Batch norm always
    takes the statistics of the batch that it is given and keeps none, so real patches and fakes must be
    passed separately.
    """

    def __init__(self, shape: GanShape):
        super().__init__()
        widths = [2, *(shape.critic_width * 2**stage for stage in range(shape.stages))]
        layers = []
        for before, after in zip(widths, widths[1:], strict=False):
            norm = _critic_norm(shape.critic_norm, after, first=not layers)
            layers.append(nn.Conv2d(before, after, kernel_size=4, stride=2, padding=1, bias=not norm))
            layers += [*norm, nn.LeakyReLU(0.2)]
        padding = 4 - shape.base  # one output pixel from a base of 3 or 4
        layers.append(nn.Conv2d(widths[-1], 1, kernel_size=4, stride=2, padding=padding, bias=False))
        self.layers = nn.Sequential(*layers)

    def forward(self, pairs: Tensor) -> Tensor:
        """(n, 2, s, s) to (n,)."""
        return self.layers(pairs).flatten()


class DoubledConv2d(nn.Module):
    """Nearest-neighbour doubling and a 5 x 5 convolution, computed on the grid before doubling.

    (n, c, s, s) to (n, d, 2s, 2s), or with `stride=2` back to (n, d, s, s). Doubling repeats pixels, so
    the 25 taps fall on 3 x 3 pixels of the small grid: each of the four output phases is a 3 x 3
    convolution whose kernel holds sums of the 5 x 5 weights. Equal to `interpolate` and `conv2d` up to
    rounding, with 36 in place of 100 multiplications an input pixel and without the doubled copy.
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, 5, 5))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        taps = torch.zeros(2, 3, 5)  # (output phase, pixel of the small grid, tap of the kernel)
        for phase in range(2):
            for tap in range(5):
                taps[phase, (phase + tap - 2) // 2 + 1, tap] = 1
        self.register_buffer("taps", taps[:1] if stride == 2 else taps, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(n, c, s, s) to (n, d, 2s, 2s), or (n, d, s, s) with a stride of 2."""
        kernel = torch.einsum("pat,qbu,oitu->opqiab", self.taps, self.taps, self.weight)
        x = functional.conv2d(x, kernel.flatten(0, 2), padding=1)
        return functional.pixel_shuffle(x, len(self.taps))


def normalise_spectra(critic: Critic) -> None:
    """Have every layer divide its weight by the largest singular value (Miyato et al. 2018, equation 8).

    A convolution's weight is taken as a matrix with a row an output channel. The singular vectors are
    buffers that `initialise` draws and `refine_spectra` alone changes: no pass through the critic does.
    """
    for layer in critic.layers:
        if isinstance(layer, nn.Conv2d):
            spectral_norm(layer).parametrizations.eval()


@torch.no_grad()
def refine_spectra(net: nn.Module, *, iterations: int) -> None:
    """Take power iterations towards the largest singular values that `normalise_spectra` divides by."""
    for layer in filter(is_parametrized, net.modules()):
        layer.parametrizations.train()
        for _ in range(iterations):
            layer.parametrizations.weight()
        layer.parametrizations.eval()


def initialise(net: nn.Module, generator: torch.Generator, *, largest: float) -> None:
    """Draw all weights anew, uniform within 1/sqrt(fan-in) as PyTorch does by default; biases are 0.

    Weights that will be clipped start uniform within `largest` where that is less. (The published code
    clips the default draw at the first step, which puts most of the critic's weights on the bounds.)
    Singular vectors are drawn too, and refined as often as PyTorch does at their start.
    """
    for parameter in net.parameters():
        if parameter.dim() > 1:
            fan_in = parameter[0].numel()
            bound = min(1 / math.sqrt(fan_in), largest)
            nn.init.uniform_(parameter, -bound, bound, generator=generator)
    for layer in net.modules():
        if getattr(layer, "bias", None) is not None:
            nn.init.zeros_(layer.bias)
    for layer in filter(is_parametrized, net.modules()):
        for vector in layer.parametrizations.buffers():
            vector.normal_(generator=generator)
    refine_spectra(net, iterations=15)


def _transposed(inputs: int, outputs: int) -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(inputs, outputs, kernel_size=4, stride=2, padding=1, bias=False)


def _critic_norm(name: str, channels: int, *, first: bool) -> list[nn.Module]:
    """Return the critic's norm after a layer, if there is one.

    There is no batch norm after the first layer: in every layer it makes a critic unstable (Radford et al.
    2016, section 3).
    """
    if name == "instance":
        return [nn.InstanceNorm2d(channels)]
    if name == "batch" and not first:
        return [nn.BatchNorm2d(channels, track_running_stats=False)]
    return []


def _norm(name: str, channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels) if name == "batch" else nn.GroupNorm(math.gcd(32, channels), channels)
