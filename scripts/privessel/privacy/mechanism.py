"""The private step of the critic: who is seen, how far anyone can move it, and the noise over it.

A step is one Poisson-sampled Gaussian mechanism (Abadi et al. 2016, algorithm 1): one fresh sample, real
gradients clipped one by one, one draw of noise, one charge. Fakes touch no patient: no noise, no charge.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from privessel.privacy.clipping import BookKeeping, OpacusClipping
from privessel.privacy.keys import Stream

FAKES = ("per-sample", "common")
CLIPPING = {"book-keeping": BookKeeping, "opacus": OpacusClipping}


@dataclass(frozen=True)
class Mechanism:
    """What one private step does, apart from its data; ValueError for numbers that protect nobody."""

    noise_multiplier: float  # standard deviation of the noise on the sum, in clipping norms
    clipping_norm: float  # most that one patch may move the sum: the norm of its clipped gradient
    batch: int  # expected patches in a sample; the sum is divided by it, whatever was drawn
    fakes: str  # their gradients clipped 'per-sample', or their sum to batch x norm by one 'common' factor
    micro_batch: int  # patches and fakes processed at a time: bounds memory

    def __post_init__(self) -> None:
        if not self.noise_multiplier > 0 or not self.clipping_norm > 0:
            raise ValueError(
                f"noise multiplier ({self.noise_multiplier}) and clipping norm ({self.clipping_norm}) must "
                "be above 0"
            )
        if self.batch < 1 or self.micro_batch < 1:
            raise ValueError(f"batch ({self.batch}) and micro-batch ({self.micro_batch}) must be at least 1")
        if self.fakes not in FAKES:
            raise ValueError(f"fakes are clipped {' or '.join(FAKES)}, not {self.fakes!r}")


def poisson_sample(stream: Stream, *, step: int, population: int, rate: float) -> np.ndarray:
    """Draw which of 0..population-1 take part in a step: each by itself with probability `rate`; sorted."""
    return np.flatnonzero(stream.uniform("sampling", step, population) < rate)


def private_gradient(
    clipping: BookKeeping | OpacusClipping,
    real: Tensor,
    fake: Tensor,
    *,
    stream: Stream,
    step: int,
    mechanism: Mechanism,
) -> list[Tensor]:
    """Return the noisy gradient of mean critic(fake) - mean critic(real), one tensor a parameter.

    real (m, ...): this step's Poisson sample, m of any size, 0 too. fake (batch, ...): always as many as are
    expected, so that their number tells nothing about m. Every real gradient is clipped to C, the sum gets
    N(0, (noise_multiplier C)^2) once, however many micro-batches it took, and is divided by `batch`.
    """
    if len(fake) != mechanism.batch:
        raise ValueError(f"{len(fake)} fakes, but their number must be the expected batch, {mechanism.batch}")
    parameters = list(clipping.critic.parameters())
    sums = [torch.zeros_like(parameter) for parameter in parameters]
    fakes = [torch.zeros_like(parameter) for parameter in parameters]
    for pairs, signs, reals in split(real, fake, mechanism.micro_batch):
        clipped = len(pairs) if mechanism.fakes == "per-sample" else reals
        part, whole = clipping.sums(pairs, signs, clipping_norm=mechanism.clipping_norm, clipped=clipped)
        _add(sums, part)
        if whole is not None:
            _add(fakes, whole)
    if mechanism.fakes == "common":
        norm = torch.stack([each.norm() for each in fakes]).norm()
        factor = (mechanism.batch * mechanism.clipping_norm / (norm + 1e-6)).clamp(max=1.0)
        _add(sums, [factor * each for each in fakes])
    sizes = [parameter.numel() for parameter in parameters]
    noise = torch.from_numpy(stream.normal("noise", step, sum(sizes))).to(real.device)
    noise *= mechanism.noise_multiplier * mechanism.clipping_norm
    _add(sums, [each.view_as(p) for each, p in zip(noise.split(sizes), parameters, strict=True)])
    return [each / mechanism.batch for each in sums]


def split(real: Tensor, fake: Tensor, size: int) -> Iterator[tuple[Tensor, Tensor, int]]:
    """Yield real, then fake pairs, `size` at a time: pairs, their signs in the loss, how many are real."""
    pairs = torch.cat([real, fake])
    signs = torch.cat([real.new_full((len(real),), -1.0), fake.new_ones(len(fake))])
    for start in range(0, len(pairs), size):
        some = slice(start, start + size)
        yield pairs[some], signs[some], min(max(len(real) - start, 0), size)


def _add(sums: list[Tensor], parts: list[Tensor]) -> None:
    for total, part in zip(sums, parts, strict=True):
        total += part
