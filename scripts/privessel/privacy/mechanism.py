"""One private step of a net: which units are sampled, how their gradients are clipped, and the noise.

A step is one Poisson-sampled Gaussian mechanism (Abadi et al. 2016, algorithm 1): a fresh sample, the real
gradients clipped unit by unit, noise added once to their sum, and one charge in the ledger. A privacy unit is
one patch, or one patient with several patches. Sum and noise are whole multiples of one small number, so that
the noise is exact (`privacy.grid`). Fakes contain nothing of a patient beyond what earlier steps released, so
they need no noise and cost nothing. The rules behind each choice are in docs/mechanism.md.

The step of a critic is `private_gradient`, that of a net without fakes, such as a U-Net, `noisy_mean`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from privessel.privacy.clipping import BookKeeping, Bound, Clipping, OpacusClipping
from privessel.privacy.grid import sensitivity, spacing
from privessel.privacy.keys import Stream

FAKE_CLIPPINGS = ("per-sample", "common", "centre")
MOST_GRID_BITS = 30  # finer than that, the steps of the random generator's own numbers come near
CLIPPING = {"book-keeping": BookKeeping, "opacus": OpacusClipping}


@dataclass(frozen=True)
class SampledGaussian:
    """The parameters of a private step; ValueError for numbers that protect nobody."""

    noise_multiplier: float  # standard deviation of the noise on the sum, in units of its sensitivity
    clipping_norm: float  # C: the largest norm of one unit's gradient, so what one unit can change in the sum
    batch: int  # expected number of units in a sample; the sum is divided by it, whatever the sample's size
    patches_per_unit: int  # 1, or the patches that a sampled patient gives: their mean gradient is clipped
    micro_batch: int  # patches processed at a time, in whole units; bounds the memory
    grid_bits: int  # sum and noise are multiples of clipping_norm / 2^grid_bits

    def __post_init__(self) -> None:
        if not self.noise_multiplier > 0 or not self.clipping_norm > 0:
            raise ValueError(
                f"noise multiplier ({self.noise_multiplier}) and clipping norm ({self.clipping_norm}) must "
                "be above 0"
            )
        for name in ("batch", "patches_per_unit", "micro_batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not 1 <= self.grid_bits <= MOST_GRID_BITS:
            raise ValueError(f"grid_bits must be from 1 to {MOST_GRID_BITS}, not {self.grid_bits}")

    @property
    def units_at_once(self) -> int:
        """How many units a call of the net takes: what `micro_batch` allows, up to a quarter of a batch.

        The last call is filled up, half of it on average, so that of calls of a whole batch much is wasted.
        """
        return max(1, min(self.micro_batch // self.patches_per_unit, -(-self.batch // 4)))


@dataclass(frozen=True)
class Mechanism(SampledGaussian):
    """The parameters of a critic's private step, which also has fakes.

    `fake_clipping` says how the fakes' gradient is bounded. It changes how well the critic learns, not what
    it costs: 'per-sample' clips every fake's gradient to the clipping norm, 'common' scales their mean
    gradient down to it, and 'centre' leaves their mean as it is but subtracts it from every real gradient
    before that is clipped.
    """

    generator_batch: int  # fakes in a step, always the same number
    fake_clipping: str  # per-sample | common | centre

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.generator_batch < 1:
            raise ValueError(f"generator_batch must be at least 1, not {self.generator_batch}")
        if self.fake_clipping not in FAKE_CLIPPINGS:
            raise ValueError(
                f"fake_clipping must be one of {', '.join(FAKE_CLIPPINGS)}, not {self.fake_clipping!r}"
            )


def poisson_sample(stream: Stream, *, step: int, population: int, rate: float) -> np.ndarray:
    """Draw the sample of a step: each of 0..population-1 is in it with probability `rate`, independently.

    Returns the sorted indices (m,); m is random and may be 0.
    """
    return np.flatnonzero(stream.uniform("sampling", step, population) < rate)


def poisson_patients(
    stream: Stream, *, step: int, patches: Sequence[np.ndarray], rate: float, each: int
) -> np.ndarray:
    """Sample patients as `poisson_sample` does, and draw `each` distinct patches of every sampled patient.

    patches: for every patient the indices of its patches. Returns (sampled patients x each,) of these
    indices, patient after patient. Which patches a patient gives does not depend on any other patient.
    """
    sampled = poisson_sample(stream, step=step, population=len(patches), rate=rate)
    order = stream.uniform("patches of patients", step, sum(len(indices) for indices in patches))
    starts = np.cumsum([0, *(len(indices) for indices in patches)])
    chosen = [
        patches[patient][np.argsort(order[starts[patient] : starts[patient + 1]])[:each]]
        for patient in sampled
    ]
    return np.concatenate(chosen) if chosen else np.zeros(0, int)


def sample_patches(
    stream: Stream, *, step: int, of_patient: Sequence[np.ndarray], rate: float, each: int | None
) -> np.ndarray:
    """Draw the patches of a private step, whatever its unit is.

    of_patient: for every patient the indices of its patches. each: how many a sampled patient gives, where
    patients are the unit; None: every patch is a unit of its own.
    """
    if each is not None:
        return poisson_patients(stream, step=step, patches=of_patient, rate=rate, each=each)
    return poisson_sample(stream, step=step, population=sum(map(len, of_patient)), rate=rate)


def noisy_mean(
    clipping: Clipping,
    samples: Tensor,
    *,
    weight: float,
    stream: Stream,
    step: int,
    mechanism: SampledGaussian,
    centre: Sequence[Tensor] | None = None,
) -> list[Tensor]:
    """Return the noisy mean over units of their clipped gradients of `weight` times the net's output.

    samples (m x patches_per_unit, ...) holds this step's Poisson sample of m units, unit after unit; m may be
    0. Each unit's gradient, less `centre` where it is given, is the mean over its patches, clipped to C. The
    sum of them gets noise N(0, (noise_multiplier S)^2) once, however many micro-batches it took, and is
    divided by `batch`. S is by how much one unit can move the sum once it is rounded to the grid: a little
    more than C (`grid.sensitivity`). Raises FloatingPointError where a gradient is not finite.
    """
    group = mechanism.patches_per_unit
    bound = Bound(mechanism.clipping_norm, centre=centre, group=group)
    sums = _clipped_sum(clipping, samples, weight / group, bound, at_once=mechanism.units_at_once * group)
    return _with_noise(sums, stream=stream, step=step, mechanism=mechanism)


def private_gradient(
    clipping: Clipping,
    real: Tensor,
    fake: Tensor,
    *,
    stream: Stream,
    step: int,
    mechanism: Mechanism,
) -> list[Tensor]:
    """Return the noisy gradient of mean critic(fake) - mean critic(real), one tensor a parameter.

    real (m x patches_per_unit, ...) holds this step's Poisson sample of m units, unit after unit; m may be 0.
    fake (generator_batch, ...) always has the same size, so it tells nothing about m. Real pairs are
    clipped, summed and given noise as `noisy_mean` has it.

    With `fake_clipping` 'centre' the mean gradient of the fakes is subtracted from every real gradient before
    that is clipped, and is not added afterwards. What real patches and fakes have in common then cancels
    before the clipping and takes up none of the clipping norm. This centre follows from what earlier steps
    released, so a unit still changes the sum by at most C.
    """
    if len(fake) != mechanism.generator_batch:
        raise ValueError(f"{len(fake)} fakes, but there must always be {mechanism.generator_batch}")
    critic = clipping.critic
    if mechanism.fake_clipping == "per-sample":
        bound = Bound(mechanism.clipping_norm, exact=False)
        clipped = _clipped_sum(clipping, fake, 1.0, bound, at_once=mechanism.micro_batch)
        fakes = [total / len(fake) for total in clipped]
    else:
        fakes, _ = mean_gradient(critic, critic, fake, micro_batch=mechanism.micro_batch)
    if mechanism.fake_clipping == "common":
        norm = torch.stack([part.norm() for part in fakes]).norm()
        factor = (mechanism.clipping_norm / (norm + 1e-6)).clamp(max=1.0)
        fakes = [factor * part for part in fakes]
    centre = [-part for part in fakes] if mechanism.fake_clipping == "centre" else None
    noise = {"stream": stream, "step": step, "mechanism": mechanism}
    gradient = noisy_mean(clipping, real, weight=-1.0, centre=centre, **noise)
    if centre is None:
        _add(gradient, fakes)
    return gradient


def mean_gradient(
    critic: nn.Module, values: Callable[[Tensor], Tensor], pairs: Tensor, *, micro_batch: int
) -> tuple[list[Tensor], Tensor]:
    """Return the gradient of mean values(pairs) by the critic's parameters, one tensor each, and that mean.

    `values` maps pairs (n, ...) to numbers (n,): the critic itself, or a loss of its scores. It is computed
    for `micro_batch` pairs at a time. There is no clipping and no noise: in a private run only for fakes.
    """
    parameters = list(critic.parameters())
    gradient = [torch.zeros_like(parameter) for parameter in parameters]
    mean = pairs.new_zeros(())
    for part in pairs.split(micro_batch):
        share = values(part).sum() / len(pairs)
        # The slope of a piecewise linear critic, for a gradient penalty, does not depend on its biases.
        _add(gradient, torch.autograd.grad(share, parameters, allow_unused=True, materialize_grads=True))
        mean += share.detach()
    return gradient, mean


def _with_noise(
    sums: Sequence[Tensor], *, stream: Stream, step: int, mechanism: SampledGaussian
) -> list[Tensor]:
    """Round the sums to the grid, add the noise as whole multiples of its spacing, divide by the batch.

    Whole numbers below 2^53 are exact in float64, and so is their sum. What is made of the noisy sum
    afterwards, such as rounding it to float32, is post-processing.
    """
    numbers = sum(total.numel() for total in sums)
    width = spacing(mechanism.clipping_norm, grid_bits=mechanism.grid_bits)
    moved = sensitivity(grid_bits=mechanism.grid_bits, numbers=numbers)
    scale = mechanism.noise_multiplier * moved * 2**mechanism.grid_bits  # of the noise, in spacings
    noise = torch.from_numpy(stream.whole_normal("noise", step, numbers, scale=scale)).to(sums[0].device)
    released = []
    for total, part in zip(sums, noise.split([total.numel() for total in sums]), strict=True):
        if not total.sum().isfinite():
            raise FloatingPointError("a gradient is not finite: lower the learning rates")
        noisy = (total / width).round_().add_(part.view_as(total))
        released.append(noisy.mul_(width / mechanism.batch).float())
    return released


def _clipped_sum(
    clipping: Clipping, pairs: Tensor, sign: float, bound: Bound, *, at_once: int
) -> list[Tensor]:
    """Return the sum of the clipped gradients of all units in `pairs`, so many samples at a time.

    An exact sum is computed in calls of `at_once` samples each, also the last: then the rounding of a unit's
    gradient does not depend on how many others there are.
    """
    precision = torch.float64 if bound.exact else torch.float32
    sums = [torch.zeros_like(parameter, dtype=precision) for parameter in clipping.critic.parameters()]
    for part in pairs.split(at_once) if len(pairs) else ():
        signs = part.new_full((len(part),), sign)
        _add(sums, clipping.sums(part, signs, bound, padded=at_once if bound.exact else 0))
    return sums


def _add(sums: Sequence[Tensor], parts: Sequence[Tensor]) -> None:
    """Add `parts` to `sums` in place."""
    for total, part in zip(sums, parts, strict=True):
        total += part
