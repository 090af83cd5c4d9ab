"""The parts of benchmarks/gpu.py: each measures one thing on one device, within the time it is given.

Training code of the library is touched in `build_gan`, `private_inputs` and `build_unet`; its private step
is called in `measure_critic_steps` and in gpu_agreement.py.
"""

import statistics
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial

import numpy as np
import torch
from prediction import one_at_a_time
from torch import Tensor

from privessel.cohort.patches import rescale
from privessel.gan.losses import plain_gradient
from privessel.gan.nets import GanShape
from privessel.gan.pairs import Pairs
from privessel.gan.step import Gan
from privessel.gan.training import GanTraining
from privessel.privacy.keys import Stream
from privessel.privacy.mechanism import CLIPPING, Mechanism, private_gradient
from privessel.unet.augmentation import random_maps, warp
from privessel.unet.loop import batch_indices
from privessel.unet.net import TrainedUNet, UNet, UNetShape, soft_dice_loss
from privessel.unet.prediction import brain_tiles, predict_probability

PATCHES = 2048  # random ones stand for the training set
NOISE = 1.0  # noise multiplier of private steps; it decides no time


class OutOfTimeError(RuntimeError):
    """A part's share of the time is over before it has measured anything."""


@dataclass(frozen=True)
class Clock:
    """The time a part may take, and how it waits for its device."""

    device: str
    ends: float
    repeats: int = 20  # timed steps at most

    def left(self) -> float:
        """Seconds of the share that are left."""
        return self.ends - time.monotonic()

    def time_step(self, step: Callable[[], object]) -> float:
        """Return the median seconds of a step after one that warms up; fewer repeats where time is short."""
        if self.left() <= 0:
            raise OutOfTimeError
        step()
        seconds = []
        while len(seconds) < self.repeats and (not seconds or self.left() > 2 * max(seconds)):
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


def measure_critic_steps(clock: Clock, keys: Mapping, *, size: int, batches: list[int]) -> dict:
    """Seconds, peak memory and the ratio to a step without privacy, by batch and clipping engine.

    A step is the critic's gradient of given real pairs and fakes, `micro_batch` at a time as in training. The
    private step's noise is made on the CPU, so its time, with the way to the device, is a row of its own.
    """
    found: dict = {}
    for batch in batches:
        gan, _ = build_gan(keys, size=size, noise=NOISE, batch=batch, device=clock.device)
        real, fake, mechanism = private_inputs(gan, samples=batch)
        if not found:
            count = sum(parameter.numel() for parameter in gan.critic.parameters())
            found["noise alone"] = _measure(clock, partial(_make_noise, gan, count))
        micro_batch = mechanism.micro_batch
        plain = partial(
            plain_gradient, gan.critic, real, fake, loss=gan.training.loss, micro_batch=micro_batch
        )
        base = found[f"not private, batch {batch}"] = _measure(clock, plain)
        for name, engine in CLIPPING.items():
            step = partial(
                private_gradient, engine(gan.critic), real, fake,
                stream=gan.stream, step=0, mechanism=mechanism,
            )  # fmt: skip
            row = found[f"{name}, batch {batch}"] = _measure(clock, step)
            if "seconds" in base and "seconds" in row:
                row["ratio"] = row["seconds"] / base["seconds"]
    return found


def _make_noise(gan: Gan, count: int) -> Tensor:
    return torch.from_numpy(gan.stream.whole_normal("noise", 0, count, scale=2.0**20)).to(gan.device)


def _measure(clock: Clock, step: Callable[[], object]) -> dict:
    """Return seconds and peak memory of a step; too little memory or time is a result too.

    Any other failure is the row's own, so that it costs no row that was measured before it.
    """
    try:
        return {"seconds": clock.time_step(step), "peak MB": clock.peak_mb(step)}
    except OutOfTimeError:
        return {"result": "no time left"}
    except torch.cuda.OutOfMemoryError:
        pass
    except Exception as problem:
        traceback.print_exc()
        return {"error": f"{type(problem).__name__}: {problem}"}
    torch.cuda.empty_cache()  # only here: inside `except` the exception still holds the step's tensors
    return {"result": "out of memory"}


def measure_training(clock: Clock, keys: Mapping, *, size: int) -> dict:
    """Seconds of a generator step with its critic steps, with and without privacy."""
    found: dict = {}
    for name, noise in (("plain GAN", None), ("private GAN", NOISE)):
        gan, data = build_gan(keys, size=size, noise=noise, batch=keys["batch"], device=clock.device)
        found[name] = _measure(clock, partial(gan.advance, data))
    if all("seconds" in row for row in found.values()):
        found["private GAN"]["ratio"] = found["private GAN"]["seconds"] / found["plain GAN"]["seconds"]
    return found


def build_unet(unet: Mapping, *, size: int, pairs: int, device: str) -> tuple[UNet, Callable[[int], None]]:
    """Return a U-Net and its training step by number: a batch is loaded, augmented and learnt from.

    The steps are those of privessel.unet.loop on random patches, which stand for a training set of `pairs`.
    """
    network = UNet(UNetShape(tuple(unet["filters"]), 0.0), generator=torch.Generator().manual_seed(0))
    network.to(device, memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(network.parameters())
    batch = unet["batch"]
    images = np.random.default_rng(0).uniform(0, 1, (4 * batch, size, size)).astype(np.float32)
    labels = (images > 0.9).astype(np.float32)

    def step(number: int) -> None:
        chosen = batch_indices(number, n=pairs, batch=batch, seed=0) % len(images)
        image = torch.from_numpy(rescale(images[chosen], 0, 255))[:, None].to(device)
        label = torch.from_numpy(labels[chosen])[:, None].to(device)
        maps = random_maps(batch, rng=np.random.default_rng(number))
        image, label = warp(image, label, torch.from_numpy(maps).to(device))
        image = ((image - 127.0) / 74.0).contiguous(memory_format=torch.channels_last)
        loss = soft_dice_loss(network(image), label)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return network, step


def measure_unet(clock: Clock, unet: Mapping, *, size: int, pairs: int) -> dict:
    """Seconds and peak memory of a training step of the U-Net, and whether three steps repeat bit for bit."""
    sizes = {"size": size, "pairs": pairs, "device": clock.device}
    _, step = build_unet(unet, **sizes)
    found: dict = {"U-Net": _measure(clock, partial(step, 0))}
    if clock.left() > 0:
        weights = []
        for _ in range(2):
            network, step = build_unet(unet, **sizes)
            for number in range(3):
                step(number)
            weights.append(torch.cat([part.detach().flatten() for part in network.parameters()]))
        found["repeats bit for bit"] = torch.equal(*weights)
    found["convolutions may use TF32"] = torch.backends.cudnn.allow_tf32
    return found


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
