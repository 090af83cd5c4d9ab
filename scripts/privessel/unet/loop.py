"""Training a U-Net on labelled patches: real, phantom and synthetic ones alike."""

import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import privessel
from privessel.cohort.patches import digest, rescale
from privessel.device import pick_device
from privessel.files.reading import digest_files
from privessel.unet.augmentation import random_maps, warp
from privessel.unet.net import TrainedUNet, UNet, UNetShape, saturation_penalty, soft_dice_loss
from privessel.unet.state import UNetState
from privessel.unet.training import UNetTraining

log = logging.getLogger(__name__)

LOG_SECONDS = 30.0
# What a random stream is for; its seed is (seed, purpose, index), so that any step can be replayed.
START, ORDER, AUGMENTATION, DROPOUT = range(4)
# The modules that decide a step, by path in the package: a training never resumes with other code.
DECIDING_CODE = (
    "cohort/patches.py",
    "unet/augmentation.py",
    "unet/loop.py",
    "unet/net.py",
    "unet/state.py",
    "unet/training.py",
)


def train(
    images: np.ndarray,
    labels: np.ndarray,
    *,
    shape: UNetShape,
    training: UNetTraining,
    seed: int,
    start: TrainedUNet | None,
    resume: Path,
    beat: Callable[[], None],
) -> tuple[TrainedUNet, list[dict[str, float]]]:
    """Return the U-Net trained on (n, s, s) images and bool labels, and one row of history an epoch.

    Adam on the soft-Dice loss of `batch` patches a step, factor_train_samples * n // batch steps an epoch
    (Kossen et al. 2022); `saturation_penalty` keeps that loss from losing its gradient. Each image is scaled
    to 0..255 by its own minimum and maximum, then standardised by mean and SD over all of them. History:
    epoch, and the means over its steps of the soft-Dice loss and of dsc (at 0.5, with augmentation and
    dropout). With `training.ema` the result is the running average of the weights, which does not depend
    on where the last few steps led.

    With a `start` the training continues from that U-Net's weights, whose filters and patch size must be the
    same. Its mean and SD are kept, because its first layer was trained on grey values of that scale (Kossen
    et al. 2021, transfer learning).

    Every `checkpoint_seconds` the state is saved to the folder `resume`. A later call with the same arguments
    continues from there, and its result is the same, bit by bit on a CPU, as without the interruption. A
    state saved with other arguments is dropped with a warning. `beat` is the heartbeat of the lock that the
    caller holds on the folder. Raises ValueError on unusable patches.
    """
    _check(images, labels, shape=shape)
    steps_per_epoch = training.steps_per_epoch(len(images))
    if start:
        start.check_form(shape, patch_size=images.shape[-1])
    torch.set_num_threads(training.threads)
    device = pick_device(training.device)
    mean, sd = (start.mean, start.sd) if start else input_statistics(images)
    network = UNet(shape, generator=_generator(seed, START, 0, torch.device("cpu")))
    if start:
        network.load_state_dict(start.weights)
    else:
        network.expect(float(labels.mean()))
    network.to(device, memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(network.parameters(), lr=training.learning_rate)
    average = (
        AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(training.ema)) if training.ema else None
    )
    identity = {
        "shape": asdict(shape),
        **training.identity(device=device.type),
        "seed": seed,
        "torch": str(torch.__version__),
        "code": digest_files(DECIDING_CODE, root=Path(privessel.__file__).parent),
        "patches": digest(images, labels),
        **({"start": start.digest()} if start else {}),
    }
    parts = {"network": network, "optimiser": optimiser} | ({"average": average} if average else {})
    state = UNetState(resume / "unet.pt", identity=identity, parts=parts, device=device)
    state.restore()

    steps, first, started = training.epochs * steps_per_epoch, state.step, time.monotonic()
    saved = logged = started
    for step in range(first, steps):
        image, label = _load_batch(images, labels, step, training=training, seed=seed, device=device)
        image = ((image - mean) / sd).contiguous(memory_format=torch.channels_last)
        logits = network.logits(image, dropout=_generator(seed, DROPOUT, step, device))
        probabilities = torch.sigmoid(logits)
        loss = soft_dice_loss(probabilities, label)
        optimiser.zero_grad()
        (loss + saturation_penalty(logits)).backward()
        optimiser.step()
        if average:
            average.update_parameters(network)

        state.count(loss, probabilities, label)
        state.step = step + 1
        if state.step % steps_per_epoch == 0:
            state.end_epoch(steps_per_epoch)
        now = time.monotonic()
        if now - saved >= training.checkpoint_seconds and state.step < steps:
            state.save()
            saved = now
        if now - logged >= LOG_SECONDS or state.step % steps_per_epoch == 0:
            rate = (state.step - first) / max(now - started, 1e-9)
            left = timedelta(seconds=round((steps - state.step) / rate))
            log.info(
                "U-Net: epoch %d of %d, step %d of %d, loss %.3f, %.2f steps/s, %s left",
                step // steps_per_epoch + 1, training.epochs, state.step, steps, loss.item(), rate, left,
            )  # fmt: skip
            beat()
            logged = now
    if state.history[-1]["dsc"] == 0:
        log.warning("the trained U-Net marks no pixel: lower learning_rate or change the seed")
    kept = average.module if average else network
    weights = {name: value.detach().cpu().contiguous() for name, value in kept.state_dict().items()}
    trained = TrainedUNet(
        weights=weights, shape=shape, patch_size=images.shape[-1], mean=mean, sd=sd, identity=identity
    )
    return trained, state.history


def input_statistics(images: np.ndarray) -> tuple[float, float]:
    """Return mean and SD over all pixels of (n, s, s) images, each scaled to 0..255 by itself.

    Where every image is constant the SD is given as 1, so that it can be divided by.
    """
    total = squares = 0.0
    for start in range(0, len(images), 1024):
        scaled = rescale(images[start : start + 1024], 0, 255).astype(np.float64)
        total += scaled.sum()
        squares += (scaled**2).sum()
    mean = total / images.size
    sd = np.sqrt(max(squares / images.size - mean**2, 0.0))
    if sd == 0:
        log.warning("every training patch is constant: the U-Net has nothing to learn from")
    return float(mean), float(sd) or 1.0


def batch_indices(step: int, *, n: int, batch: int, seed: int) -> np.ndarray:
    """Return the (batch,) patches of a step: the next piece of an endless row of permutations of 0..n-1.

    Each patch is used once before any is used again, and a step's batch is known without the steps before it.
    """
    rounds, places = np.divmod(np.arange(step * batch, (step + 1) * batch), n)
    orders = {i: np.random.default_rng([seed, ORDER, i]).permutation(n) for i in np.unique(rounds)}
    return np.array([orders[i][place] for i, place in zip(rounds, places, strict=True)])


def _load_batch(
    images: np.ndarray,
    labels: np.ndarray,
    step: int,
    *,
    training: UNetTraining,
    seed: int,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Return a step's images, scaled to 0..255, and labels: both (batch, 1, s, s), augmented if asked."""
    chosen = batch_indices(step, n=len(images), batch=training.batch, seed=seed)
    image = torch.from_numpy(rescale(images[chosen], 0, 255))[:, None].to(device)
    label = torch.from_numpy(labels[chosen].astype(np.float32))[:, None].to(device)
    if training.augment:
        maps = random_maps(training.batch, rng=np.random.default_rng([seed, AUGMENTATION, step]))
        image, label = warp(image, label, torch.from_numpy(maps).to(device))
    return image, label


def _generator(seed: int, purpose: int, index: int, device: torch.device) -> torch.Generator:
    """Return torch's generator of one random stream."""
    state = np.random.SeedSequence([seed, purpose, index]).generate_state(1, np.uint64)
    return torch.Generator(device).manual_seed(int(state[0]))


def _check(images: np.ndarray, labels: np.ndarray, *, shape: UNetShape) -> None:
    """Raise ValueError where the patches cannot be trained on."""
    if images.ndim != 3 or images.shape[1] != images.shape[2] or labels.shape != images.shape:
        raise ValueError(f"images {images.shape} and labels {labels.shape} must both be (n, s, s)")
    if labels.dtype != bool:
        raise ValueError(f"labels are {labels.dtype}, not bool: threshold them first")
    shape.check_patch(images.shape[-1])
    if not labels.any():
        # A generator that makes no vessel is a result of the study, with DSC 0, and must not stop it.
        log.warning("no training patch has a labelled pixel: the U-Net will learn to mark nothing")
