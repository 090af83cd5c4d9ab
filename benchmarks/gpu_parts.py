"""The parts of benchmarks/gpu.py: each measures one thing on one device, within the time it is given.

Everything that touches the library's training code is in `build_gan`, `private_inputs` and `unet_step`.
"""

import copy
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial

import numpy as np
import torch
from prediction import one_at_a_time
from torch import Tensor, nn

from privessel.gan.nets import GanShape
from privessel.gan.step import Gan, Pairs
from privessel.gan.training import GanTraining
from privessel.privacy.keys import Stream
from privessel.privacy.mechanism import CLIPPING, Mechanism, mean_gradient, private_gradient
from privessel.unet.net import TrainedUNet, UNet, UNetShape, soft_dice_loss
from privessel.unet.prediction import brain_tiles, predict_probability

PATCHES = 2048  # random ones stand for the training set
AGREEMENT_SAMPLES = 8
REPEATS = 5  # of the same step, whose bits are compared
NOISE = 1.0
LITTLE_NOISE = 1e-3
AGREES = 1e-4  # float32 is about 1e-6 away from the oracle


class OutOfTimeError(RuntimeError):
    """A part's share of the time is over before it has measured anything."""


@dataclass(frozen=True)
class Clock:
    """The time a part may take, and how it waits for its device."""

    device: str
    ends: float

    def left(self) -> float:
        """Seconds of the share that are left."""
        return self.ends - time.monotonic()

    def time_step(self, step: Callable[[], object], *, most: int = 20) -> float:
        """Return the median seconds of a step after one that warms up; fewer repeats where time is short."""
        if self.left() <= 0:
            raise OutOfTimeError
        step()
        seconds = []
        while len(seconds) < most and (not seconds or self.left() > 2 * max(seconds)):
            self._wait()
            start = time.perf_counter()
            step()
            self._wait()
            seconds.append(time.perf_counter() - start)
        return statistics.median(seconds)

    def peak_mb(self, step: Callable[[], object]) -> float | None:
        """Return the most memory that the allocator held during a step; None on a CPU."""
        if self.device != "cuda":
            return None
        torch.cuda.reset_peak_memory_stats()
        step()
        self._wait()
        return torch.cuda.max_memory_allocated() / 1e6

    def _wait(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()


def build_gan(keys: Mapping, *, size: int, noise: float | None, batch: int, device: str) -> tuple[Gan, Pairs]:
    """Return a GAN of the config's keys at one noise multiplier and batch, and random patches for it."""
    shape = GanShape(
        patch=size, **{part.name: keys[part.name] for part in fields(GanShape) if part.name != "patch"}
    )
    given = {part.name: keys[part.name] for part in fields(GanTraining) if part.name in keys}
    given |= {"noise_multiplier": noise, "units": PATCHES, "batch": batch, "generator_batch": batch}
    training = GanTraining(**given)
    gan = Gan(shape, training, stream=Stream(bytes(32), threads=torch.get_num_threads()), device=device)
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (PATCHES, size, size)).astype(np.float32)
    data = Pairs(
        images, images > 0.9, patients=np.zeros(PATCHES, int), device=device,
        background=training.label_background,
    )  # fmt: skip
    return gan, data


def private_inputs(gan: Gan, *, samples: int) -> tuple[Tensor, Tensor, Mechanism]:
    """Return real pairs, fakes and the mechanism of one private step of `samples` each."""
    rng = np.random.default_rng(1)
    size = gan.shape.patch
    pairs = torch.from_numpy(rng.uniform(-1, 1, (2 * samples, 2, size, size)).astype(np.float32))
    mechanism = replace(gan.training.mechanism(), generator_batch=samples, batch=samples)
    return pairs[:samples].to(gan.device), pairs[samples:].to(gan.device), mechanism


def take_private_step(gan: Gan, real: Tensor, fake: Tensor, mechanism: Mechanism) -> Tensor:
    """Return the noisy gradient of one step of the library's own code, as one vector."""
    gradient = private_gradient(gan.clipping, real, fake, stream=gan.stream, step=3, mechanism=mechanism)
    return torch.cat([part.flatten() for part in gradient])


def oracle_gradient(gan: Gan, real: Tensor, fake: Tensor, mechanism: Mechanism) -> Tensor:
    """Return the same gradient by torch.func in float64 on the CPU: clipped, summed, noise added."""
    critic = copy.deepcopy(gan.critic).cpu().double()
    named = {name: part.detach() for name, part in critic.named_parameters()}

    def score(parts: Mapping[str, Tensor], pair: Tensor) -> Tensor:
        return torch.func.functional_call(critic, parts, (pair[None],)).sum()

    def clipped(pairs: Tensor) -> Tensor:
        grads = torch.func.vmap(torch.func.grad(score), (None, 0))(named, pairs.cpu().double())
        rows = torch.cat([part.flatten(1) for part in grads.values()], dim=1)
        factors = (mechanism.clipping_norm / rows.norm(dim=1)).clamp(max=1.0)
        return (factors[:, None] * rows).sum(0)

    count = sum(part.numel() for part in named.values())
    noise = torch.from_numpy(gan.stream.normal("noise", 3, count)).double()
    noise *= mechanism.noise_multiplier * mechanism.clipping_norm
    return (noise - clipped(real)) / mechanism.batch + clipped(fake) / mechanism.generator_batch


def measure_agreement(clock: Clock, keys: Mapping, *, size: int) -> dict:
    """How far the device's private step is from the float64 oracle, as shares of the oracle's norm."""
    gan, _ = build_gan(keys, size=size, noise=NOISE, batch=AGREEMENT_SAMPLES, device=clock.device)
    real, fake, mechanism = private_inputs(gan, samples=AGREEMENT_SAMPLES)
    # Little noise, or it would hide what a wrong clip changes.
    mechanism = replace(mechanism, fake_clipping="per-sample", noise_multiplier=LITTLE_NOISE)
    oracle = oracle_gradient(gan, real, fake, mechanism)
    found = take_private_step(gan, real, fake, mechanism).cpu().double()
    apart = float((found - oracle).norm() / oracle.norm())
    return {"relative distance": apart, "agrees": apart < AGREES}


def measure_repetition(clock: Clock, keys: Mapping, *, size: int) -> dict:
    """Whether the same step gives the same bits: a private gradient, and whole steps of training."""
    gan, _ = build_gan(keys, size=size, noise=NOISE, batch=keys["batch"], device=clock.device)
    inputs = private_inputs(gan, samples=keys["batch"])
    first = take_private_step(gan, *inputs)
    gradients = all(torch.equal(first, take_private_step(gan, *inputs)) for _ in range(REPEATS))
    found = {"private gradient": gradients}
    for name, noise in (("private training", NOISE), ("plain training", None)):
        if clock.left() <= 0:
            break
        states = []
        for _ in range(2):
            gan, data = build_gan(keys, size=size, noise=noise, batch=keys["batch"], device=clock.device)
            gan.advance(data)
            gan.advance(data)
            states.append(_flat(gan.critic, gan.generator))
        found[name] = bool(torch.equal(*states))
    return found


def _flat(*nets: nn.Module) -> Tensor:
    return torch.cat([part.detach().flatten() for net in nets for part in net.parameters()])


def measure_critic_steps(clock: Clock, keys: Mapping, *, size: int, batches: list[int]) -> dict:
    """Seconds, peak memory and the ratio to a step without privacy, by batch and engine."""
    found = {}
    for batch in batches:
        gan, _ = build_gan(keys, size=size, noise=NOISE, batch=batch, device=clock.device)
        real, fake, mechanism = private_inputs(gan, samples=batch)
        steps: dict[str, Callable[[], object]] = {
            "not private": partial(_plain_step, gan, real, fake, mechanism.micro_batch)
        }
        for engine, clipping in CLIPPING.items():
            steps[engine] = partial(_clipped_step, clipping, gan, real, fake, mechanism)
        for engine, step in steps.items():
            found[f"{engine}, batch {batch}"] = _measure(clock, step)
        base = found[f"not private, batch {batch}"].get("seconds")
        for engine in CLIPPING:
            row = found[f"{engine}, batch {batch}"]
            if base and "seconds" in row:
                row["ratio"] = row["seconds"] / base
    return found


def _plain_step(gan: Gan, real: Tensor, fake: Tensor, micro_batch: int) -> None:
    for pairs in (real, fake):
        mean_gradient(gan.critic, gan.critic, pairs, micro_batch=micro_batch)


def _clipped_step(engine: type, gan: Gan, real: Tensor, fake: Tensor, mechanism: Mechanism) -> None:
    private_gradient(engine(gan.critic), real, fake, stream=gan.stream, step=0, mechanism=mechanism)


def _measure(clock: Clock, step: Callable[[], object]) -> dict:
    """Return seconds and peak memory of a step; too little memory or time is a result too."""
    try:
        return {"seconds": clock.time_step(step), "peak MB": clock.peak_mb(step)}
    except torch.cuda.OutOfMemoryError:
        torch.cuda.empty_cache()
        return {"result": "out of memory"}
    except OutOfTimeError:
        return {"result": "no time left"}


def measure_training(clock: Clock, keys: Mapping, *, size: int) -> dict:
    """Seconds of a generator step with its critic steps, with and without privacy."""
    found = {}
    for name, noise in (("plain GAN", None), ("private GAN", NOISE)):
        gan, data = build_gan(keys, size=size, noise=noise, batch=keys["batch"], device=clock.device)
        found[name] = _measure(clock, partial(gan.advance, data))
    return found


def unet_step(filters: tuple[int, ...], *, size: int, batch: int, device: str) -> Callable[[], object]:
    """Return a training step of the U-Net on random patches."""
    network = UNet(UNetShape(filters, 0.0), generator=torch.Generator().manual_seed(0))
    network.to(device, memory_format=torch.channels_last)
    images = torch.rand(batch, 1, size, size, device=device).contiguous(memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(network.parameters())

    def step() -> None:
        optimiser.zero_grad(set_to_none=True)
        soft_dice_loss(network(images), images).backward()
        optimiser.step()

    return step


def measure_unet(clock: Clock, unet: Mapping, *, size: int) -> dict:
    """Seconds and peak memory of a training step of the U-Net."""
    filters = tuple(unet["filters"])
    return {"U-Net": _measure(clock, unet_step(filters, size=size, batch=unet["batch"], device=clock.device))}


def measure_prediction(
    clock: Clock, unet: Mapping, *, size: int, shape: tuple[int, int, int], batches: list[int]
) -> dict:
    """Seconds a volume in batches of patches, and how many times as fast as one patch at a time."""
    axes = np.ogrid[tuple(slice(-1, 1, side * 1j) for side in shape)]
    brain = sum((axis / extent) ** 2 for axis, extent in zip(axes, (0.75, 0.8, 0.9), strict=True)) < 1
    image = (np.random.default_rng(0).normal(100, 20, shape) * brain).astype(np.float32)
    form = UNetShape(tuple(unet["filters"]), 0.0)
    weights = UNet(form, generator=torch.Generator().manual_seed(0)).state_dict()
    trained = TrainedUNet(weights=weights, shape=form, patch_size=size, mean=100.0, sd=50.0, identity={})
    where = {"stride": size, "device": clock.device}
    tiles = len(brain_tiles(brain, size=size, stride=size))
    single = _measure(clock, partial(one_at_a_time, trained, image, brain, **where))
    found = {f"one at a time, {tiles} patches": single}
    for batch in batches:
        row = _measure(clock, partial(predict_probability, trained, image, brain, batch=batch, **where))
        if "seconds" in row and "seconds" in single:
            row["times as fast"] = single["seconds"] / row["seconds"]
        found[f"batch {batch}"] = row
    return found
