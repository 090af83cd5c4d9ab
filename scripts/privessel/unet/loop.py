"""Training a U-Net on labelled patches: real, phantom and synthetic ones alike."""

import csv
import hashlib
import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path

import numpy as np
import torch

from privessel.cohort import patches
from privessel.cohort.patches import digest, rescale
from privessel.device import pick_device
from privessel.files.atomic import atomic_path
from privessel.unet import augmentation
from privessel.unet import net as unet
from privessel.unet.augmentation import random_maps, warp
from privessel.unet.net import TrainedUNet, UNet, UNetShape, soft_dice_loss
from privessel.unet.state import UNetState

log = logging.getLogger(__name__)

LOG_SECONDS = 30.0
# What a random stream is for; its seed is (seed, purpose, index), so that any step can be replayed.
START, ORDER, AUGMENTATION, DROPOUT = range(4)


def train(
    images: np.ndarray,
    labels: np.ndarray,
    *,
    shape: UNetShape,
    learning_rate: float,
    batch: int,
    epochs: int,
    factor_train_samples: float,
    augment: bool,
    seed: int,
    device: str,
    threads: int,
    start: TrainedUNet | None,
    resume: Path,
    checkpoint_seconds: float,
    beat: Callable[[], None],
) -> tuple[TrainedUNet, list[dict[str, float]]]:
    """Return the U-Net trained on (n, s, s) images and bool labels, and one row of history an epoch.

    Adam on the soft-Dice loss of `batch` patches a step, factor_train_samples * n // batch steps an epoch
    (Kossen et al. 2022). Each image is scaled to 0..255 by its own minimum and maximum, then standardised
    by mean and SD over all of them. History: epoch, and the means over its steps of loss and of dsc (at 0.5,
    with augmentation and dropout).

    With a `start` the weights go on from that U-Net's, whose filters and patch size must be the same, and its
    mean and SD are kept: its first layer knows grey values in no other scale (Kossen et al. 2021, transfer
    learning).

    Every `checkpoint_seconds` the state goes to the folder `resume`; a later call with the same arguments
    goes on from there, and the result is the same, bit by bit on a CPU, as without the interruption. A
    state left by other arguments is dropped with a warning. `save_run` removes the folder. `beat` is the
    heartbeat of the lock that the caller holds on it. Raises ValueError on unusable patches.
    """
    steps_per_epoch = int(factor_train_samples * len(images)) // batch
    _check(images, labels, shape=shape, batch=batch, epochs=epochs, steps_per_epoch=steps_per_epoch)
    if start:
        start.check_form(shape, patch_size=images.shape[-1])
    torch.set_num_threads(threads)
    place = pick_device(device)
    identity = {
        "shape": asdict(shape),
        "learning_rate": learning_rate,
        "batch": batch,
        "epochs": epochs,
        "factor_train_samples": factor_train_samples,
        "augment": augment,
        "seed": seed,
        "device": place.type,
        "threads": threads,
        "torch": str(torch.__version__),
        "code": _digest_code(),
        "patches": digest(images, labels),
    }
    mean, sd = (start.mean, start.sd) if start else input_statistics(images)
    network = UNet(shape, generator=_generator(seed, START, 0, torch.device("cpu")))
    if start:
        weights = start.weights
        identity["start"] = digest(np.array([mean, sd]), *(weights[name].numpy() for name in sorted(weights)))
        network.load_state_dict(weights)
    else:
        network.expect(float(labels.mean()))
    network.to(place, memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(network.parameters(), lr=learning_rate)
    state = UNetState(resume / "unet.pt", identity=identity, network=network, optimiser=optimiser)
    state.restore()

    steps, first, started = epochs * steps_per_epoch, state.step, time.monotonic()
    saved = logged = started
    for step in range(first, steps):
        chosen = batch_indices(step, n=len(images), batch=batch, seed=seed)
        image = torch.from_numpy(rescale(images[chosen], 0, 255))[:, None].to(place)
        label = torch.from_numpy(labels[chosen].astype(np.float32))[:, None].to(place)
        if augment:
            maps = random_maps(batch, rng=np.random.default_rng([seed, AUGMENTATION, step]))
            image, label = warp(image, label, torch.from_numpy(maps).to(place))
        image = ((image - mean) / sd).contiguous(memory_format=torch.channels_last)
        probabilities = network(image, dropout=_generator(seed, DROPOUT, step, place))
        loss = soft_dice_loss(probabilities, label)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

        state.count(loss, probabilities, label)
        state.step = step + 1
        if state.step % steps_per_epoch == 0:
            state.end_epoch(steps_per_epoch)
        now = time.monotonic()
        if now - saved >= checkpoint_seconds and state.step < steps:
            state.save()
            saved = now
        if now - logged >= LOG_SECONDS or state.step % steps_per_epoch == 0:
            rate = (state.step - first) / max(now - started, 1e-9)
            left = timedelta(seconds=round((steps - state.step) / rate))
            log.info(
                "U-Net: epoch %d of %d, step %d of %d, loss %.3f, %.2f steps/s, %s left",
                step // steps_per_epoch + 1, epochs, state.step, steps, loss.item(), rate, left,
            )  # fmt: skip
            beat()
            logged = now
    if state.history[-1]["dsc"] == 0:
        log.warning("the U-Net marks nothing (soft Dice has died): lower learning_rate or change the seed")
    weights = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
    trained = TrainedUNet(
        weights=weights, shape=shape, patch_size=images.shape[-1], mean=mean, sd=sd, identity=identity
    )
    return trained, state.history


def save_run(
    trained: TrainedUNet, history: list[dict[str, float]], *, weights: Path, history_csv: Path, resume: Path
) -> None:
    """Write the two outputs of a finished run, each whole or not at all, then remove its `resume` folder."""
    with atomic_path(history_csv) as partial, partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=["epoch", "loss", "dsc"])
        writer.writeheader()
        writer.writerows(history)
    trained.save(weights)
    shutil.rmtree(resume, ignore_errors=True)


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

    Each patch is seen once before any is seen again, and a step's batch is known without the steps before it.
    """
    turns, places = np.divmod(np.arange(step * batch, (step + 1) * batch), n)
    orders = {turn: np.random.default_rng([seed, ORDER, turn]).permutation(n) for turn in np.unique(turns)}
    return np.array([orders[turn][place] for turn, place in zip(turns, places, strict=True)])


def _generator(seed: int, purpose: int, index: int, device: torch.device) -> torch.Generator:
    """Return torch's generator of one random stream."""
    state = np.random.SeedSequence([seed, purpose, index]).generate_state(1, np.uint64)
    return torch.Generator(device).manual_seed(int(state[0]))


def _digest_code() -> str:
    """Return a SHA-256 of the modules that decide a step."""
    files = (augmentation.__file__, patches.__file__, unet.__file__, __file__)
    return hashlib.sha256(b"".join(Path(file).read_bytes() for file in files)).hexdigest()


def _check(
    images: np.ndarray, labels: np.ndarray, *, shape: UNetShape, batch: int, epochs: int, steps_per_epoch: int
) -> None:
    """Raise ValueError where a run could not start or would mean nothing."""
    if images.ndim != 3 or images.shape[1] != images.shape[2] or labels.shape != images.shape:
        raise ValueError(f"images {images.shape} and labels {labels.shape} must both be (n, s, s)")
    if labels.dtype != bool:
        raise ValueError(f"labels are {labels.dtype}, not bool: threshold them first")
    shape.check_patch(images.shape[-1])
    if min(batch, epochs, steps_per_epoch) < 1:
        raise ValueError(
            f"{epochs} epochs of {steps_per_epoch} steps with batch {batch} on {len(images)} patches: "
            "nothing to do; take more patches, a smaller batch or a larger factor_train_samples"
        )
    if not labels.any():
        # A generator that makes no vessel is a result of the study, with DSC 0, and must not stop it.
        log.warning("no training patch has a labelled pixel: the U-Net will learn to mark nothing")
