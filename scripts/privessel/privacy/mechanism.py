"""The private step of the critic: who is seen, how far anyone can move it, and the noise over it.

A step is one Poisson-sampled Gaussian mechanism (Abadi et al. 2016, algorithm 1): one fresh sample, real
gradients clipped unit by unit, one draw of noise, one charge. A unit is a patch, or a patient with several of
its patches. Fakes touch no patient: no noise, no charge.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from privessel.privacy.clipping import BookKeeping, OpacusClipping
from privessel.privacy.keys import Stream

FAKES = ("per-sample", "common", "centre")
CLIPPING = {"book-keeping": BookKeeping, "opacus": OpacusClipping}


@dataclass(frozen=True)
class Mechanism:
    """What one private step does, apart from its data; ValueError for numbers that protect nobody."""

    noise_multiplier: float  # standard deviation of the noise on the sum, in clipping norms
    clipping_norm: float  # most that one unit may move the sum: the norm of its clipped gradient
    batch: int  # expected units in a sample; the sum is divided by it, whatever was drawn
    patches_per_unit: int  # 1, or those a sampled patient gives: their mean gradient is clipped once
    generator_batch: int  # fakes, always as many
    fakes: str  # clipped 'per-sample', their mean by one 'common' factor, or it is the reals' 'centre'
    micro_batch: int  # patches and fakes processed at a time, in whole units: bounds memory

    def __post_init__(self) -> None:
        if not self.noise_multiplier > 0 or not self.clipping_norm > 0:
            raise ValueError(
                f"noise multiplier ({self.noise_multiplier}) and clipping norm ({self.clipping_norm}) must "
                "be above 0"
            )
        for name in ("batch", "patches_per_unit", "generator_batch", "micro_batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.fakes not in FAKES:
            raise ValueError(f"fakes are clipped {' or '.join(FAKES)}, not {self.fakes!r}")


def poisson_sample(stream: Stream, *, step: int, population: int, rate: float) -> np.ndarray:
    """Draw which of 0..population-1 take part in a step: each by itself with probability `rate`; sorted."""
    return np.flatnonzero(stream.uniform("sampling", step, population) < rate)


def poisson_patients(
    stream: Stream, *, step: int, patches: Sequence[np.ndarray], rate: float, each: int
) -> np.ndarray:
    """Draw patients as `poisson_sample` does, and `each` distinct patches of every one that takes part.

    patches: the indices of each patient's patches. Returns (patients drawn x each,) of them, patient after
    patient. Which patches a patient gives depends on nobody else.
    """
    drawn = poisson_sample(stream, step=step, population=len(patches), rate=rate)
    order = stream.uniform("patches of patients", step, sum(len(own) for own in patches))
    starts = np.cumsum([0, *(len(own) for own in patches)])
    chosen = [
        patches[patient][np.argsort(order[starts[patient] : starts[patient + 1]])[:each]] for patient in drawn
    ]
    return np.concatenate(chosen) if chosen else np.zeros(0, int)


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

    real (m x patches_per_unit, ...): this step's Poisson sample of m units, unit after unit, m of any size, 0
    too. fake (generator_batch, ...): always as many, so that their number tells nothing about m. Every unit's
    mean gradient is clipped to C, the sum gets N(0, (noise_multiplier C)^2) once, however many micro-batches
    it took, and is divided by `batch`.

    With fakes as 'centre' their mean gradient is taken off every real one before it is clipped, and not
    added again: what reals and fakes share cancels before the clip, not after it, and no longer fills the
    norm. The centre follows from earlier releases alone, so a unit still moves the sum by at most C.
    """
    if len(fake) != mechanism.generator_batch:
        raise ValueError(f"{len(fake)} fakes, but there must always be {mechanism.generator_batch}")
    critic, parameters = clipping.critic, list(clipping.critic.parameters())
    if mechanism.fakes == "per-sample":
        clipped = _clipped_sum(clipping, fake, sign=1.0, centre=None, group=1, mechanism=mechanism)
        fakes = [each / len(fake) for each in clipped]
    else:
        fakes, _ = mean_gradient(critic, fake, micro_batch=mechanism.micro_batch)
    if mechanism.fakes == "common":
        norm = torch.stack([each.norm() for each in fakes]).norm()
        factor = (mechanism.clipping_norm / (norm + 1e-6)).clamp(max=1.0)
        fakes = [factor * each for each in fakes]
    centre = [-each for each in fakes] if mechanism.fakes == "centre" else None
    group = mechanism.patches_per_unit
    sums = _clipped_sum(clipping, real, sign=-1.0 / group, centre=centre, group=group, mechanism=mechanism)
    sizes = [parameter.numel() for parameter in parameters]
    noise = torch.from_numpy(stream.normal("noise", step, sum(sizes))).to(real.device)
    noise *= mechanism.noise_multiplier * mechanism.clipping_norm
    _add(sums, [each.view_as(p) for each, p in zip(noise.split(sizes), parameters, strict=True)])
    gradient = [each / mechanism.batch for each in sums]
    if centre is None:
        _add(gradient, fakes)
    return gradient


def mean_gradient(critic: nn.Module, pairs: Tensor, *, micro_batch: int) -> tuple[list[Tensor], Tensor]:
    """Return the gradient of mean critic(pairs), one tensor a parameter, and that mean."""
    parameters = list(critic.parameters())
    gradient = [torch.zeros_like(parameter) for parameter in parameters]
    mean = pairs.new_zeros(())
    for part in pairs.split(micro_batch):
        share = critic(part).sum() / len(pairs)
        _add(gradient, torch.autograd.grad(share, parameters))
        mean += share.detach()
    return gradient, mean


def _clipped_sum(
    clipping: BookKeeping | OpacusClipping,
    pairs: Tensor,
    *,
    sign: float,
    centre: Sequence[Tensor] | None,
    group: int,
    mechanism: Mechanism,
) -> list[Tensor]:
    sums = [torch.zeros_like(parameter) for parameter in clipping.critic.parameters()]
    if len(pairs) == 0:
        return sums
    norm = mechanism.clipping_norm
    for part in pairs.split(group * max(1, mechanism.micro_batch // group)):
        signs = part.new_full((len(part),), sign)
        _add(sums, clipping.sums(part, signs, clipping_norm=norm, centre=centre, group=group))
    return sums


def _add(sums: Sequence[Tensor], parts: Sequence[Tensor]) -> None:
    for total, part in zip(sums, parts, strict=True):
        total += part
