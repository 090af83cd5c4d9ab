"""Training a GAN of labelled patches from first step to finished files, through any interruption."""

import logging
import math
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from privessel.files.lock import SILENT_MINUTES, lock
from privessel.gan import paid_runs as finished
from privessel.gan.files import (
    CRITIC,
    keep_critic,
    keep_generator,
    ledger_point,
    load_checkpoint,
    publish,
    save_checkpoint,
)
from privessel.gan.nets import GanShape
from privessel.gan.step import Gan, Pairs, check_critic
from privessel.gan.training import GanTraining
from privessel.privacy.account import Account
from privessel.privacy.accounting import epsilon
from privessel.privacy.keys import Stream, identity_digest
from privessel.privacy.ledger import Ledger
from privessel.privacy.site import PaidRun

log = logging.getLogger(__name__)

LOG_SECONDS = 10.0
SCORED = 256  # pairs scored at a time, and fakes behind the history's score


class Watch(Protocol):
    """Looks on while a GAN trains, and changes nothing in it."""

    def open(self, gan: Gan, data: Pairs) -> AbstractContextManager[None]:
        """Look on while this is open."""

    def state(self) -> Tensor:
        """Return what was seen so far."""

    def restore(self, state: Tensor) -> None:
        """Go on from what `state` returned."""


def train(
    *,
    images: np.ndarray,
    labels: np.ndarray,
    patients: np.ndarray,
    validation: tuple[np.ndarray, np.ndarray] | None,
    shape: GanShape,
    training: GanTraining,
    source: Stream | PaidRun,
    identity: Mapping[str, object],
    folder: Path,
    device: str,
    checkpoint_seconds: float,
    record: Callable[[Account | None], dict],
    watch: Watch | None = None,
) -> None:
    """Train a GAN and leave generator-epoch-{e}.pt, history.csv and privacy.json in `folder`.

    images (n, s, s) float32 in [-1, 1] and labels (n, s, s) bool are the patches of patients (n,), counted
    from 0; `validation` is images and labels of others, for the history only. Every draw comes from `source`
    by purpose and step, so a run that was stopped goes on from its last checkpoint (in `folder`/.resume;
    every `checkpoint_seconds` and after every epoch) as if nothing had happened: bit by bit on a CPU with the
    same number of threads. Raises BusyError when another process works on the folder.

    With a `PaidRun` as its source the critic's steps are charged to its ledger before anything that they
    influenced is written, a finished run is never trained again (`finished`), and a leftover of another
    `identity` is refused with PrivacyError; any other run starts anew then. `record` gets the run's account
    after the last step and returns what privacy.json says. With a `watch` critic.pt is left too: the last
    critic, and what was seen.
    """
    _check(images, labels, patients, shape=shape, training=training)
    resume = folder / ".resume"
    # No reduced precision where norms are bounded, and the same kernels at every call.
    exact = torch.backends.cudnn.flags(benchmark=False, deterministic=True, allow_tf32=False)
    with exact, lock(folder / ".lock", silent_minutes=SILENT_MINUTES) as beat:
        paid = source if isinstance(source, PaidRun) else None
        if paid and finished.bring_back(folder, name=paid.run.name, identity=identity):
            return
        digest = identity_digest(identity)
        saved = load_checkpoint(resume, training, digest=digest, paid=paid)
        point = ledger_point(saved, training)
        opened = paid.open(point, silent_minutes=SILENT_MINUTES) if paid else nullcontext((source, None))
        with opened as (stream, ledger):
            on = {"device": device, "background": training.label_background}
            data = Pairs(images, labels, patients=patients, **on)
            held_out = (
                Pairs(*validation, patients=np.zeros(len(validation[0]), int), **on) if validation else None
            )
            gan = Gan(shape, training, stream=stream, device=device)
            history = _restore(gan, watch, saved)
            with watch.open(gan, data) if watch else nullcontext():
                _advance(
                    gan, data, held_out,
                    history=history, resume=resume, digest=digest, ledger=ledger,
                    checkpoint_seconds=checkpoint_seconds, beat=beat, watch=watch,
                )  # fmt: skip
            if watch:
                keep_critic(resume, gan, watch.state())
            said = record(ledger.account if ledger else None)
            more = [CRITIC] if watch else []
            publish(
                resume, folder, training.kept_epochs, said, identity=identity if paid else None, more=more
            )


def _advance(
    gan: Gan,
    data: Pairs,
    held_out: Pairs | None,
    *,
    history: list[dict],
    resume: Path,
    digest: str,
    ledger: Ledger | None,
    checkpoint_seconds: float,
    beat: Callable[[], None],
    watch: Watch | None,
) -> None:
    """Take all steps that are left; charge them, then save what they have made."""
    training = gan.training
    first = charged = gan.step
    started = saved = logged = time.monotonic()
    while gan.step < training.steps:
        gan.advance(data)
        now = time.monotonic()
        if now - logged >= LOG_SECONDS:
            beat()
            if ledger:
                ledger.beat()
            _tell(training, step=gan.step, rate=(gan.step - first) / (now - started))
            logged = now
        epoch, rest = divmod(gan.step, training.steps_per_epoch)
        if rest and now - saved < checkpoint_seconds:
            continue
        if ledger:
            ledger.charge(charged * training.critic_steps, gan.step * training.critic_steps)
            charged = gan.step
        if rest == 0:
            history.append(_row(gan, epoch, data=data, held_out=held_out, ledger=ledger))
            if epoch in training.kept_epochs:
                keep_generator(resume, gan, epoch)
        seen = watch.state() if watch else None
        save_checkpoint(resume, gan, digest=digest, history=history, ledger=ledger, watched=seen)
        saved = time.monotonic()


def _check(
    images: np.ndarray, labels: np.ndarray, patients: np.ndarray, *, shape: GanShape, training: GanTraining
) -> None:
    """Raise ValueError for patches that cannot be trained on, and what `check_critic` raises."""
    check_critic(shape, training)
    wanted = (len(images), shape.patch, shape.patch)
    if images.shape != wanted or labels.shape != wanted:
        raise ValueError(f"images {images.shape} and labels {labels.shape} must both be {wanted}")
    if images.dtype != np.float32 or labels.dtype != bool:
        raise ValueError(f"images must be float32 and labels bool, not {images.dtype} and {labels.dtype}")
    if patients.shape != (len(images),):
        raise ValueError(f"patients {patients.shape} must say of each of {len(images)} patches whose it is")
    counts = np.bincount(patients)
    units, name = (len(counts), "patients") if training.by_patient else (len(images), "patches")
    if (least := min(units, training.units)) < training.batch:
        raise ValueError(f"{least} {name} are fewer than a batch of {training.batch}")
    if training.by_patient and counts.min() < training.patient_patches:
        raise ValueError(
            f"a patient has {counts.min()} patches, fewer than the {training.patient_patches} of a step"
        )


def _restore(gan: Gan, watch: Watch | None, saved: dict | None) -> list[dict]:
    """Bring `gan` and `watch` to their checkpoint, if there is one, and return the history up to there."""
    if saved is None:
        return []
    gan.restore(saved["gan"])
    if watch:
        watch.restore(saved["watched"])
    log.info("going on from step %d of %d", gan.step, gan.training.steps)
    return saved["history"]


@torch.no_grad()
def _row(gan: Gan, epoch: int, *, data: Pairs, held_out: Pairs | None, ledger: Ledger | None) -> dict:
    """Return an epoch's history; of a private run only what follows from released gradients."""
    training, steps = gan.training, gan.step * gan.training.critic_steps
    charged = ledger.account.charged_before(steps) if ledger else steps
    gan.kept.eval()
    fakes = gan.kept(gan.latents("scored latents", epoch, SCORED))
    gan.kept.train()
    row = {
        "epoch": epoch,
        "critic_steps": steps,
        "epsilon": epsilon(
            noise_multiplier=training.noise_multiplier,
            sampling_rate=training.sampling_rate,
            steps=charged,
            delta=training.unit_delta,
        )
        if training.private
        else None,
        "score_fake": gan.critic(fakes).mean().item(),
        "score_validation": _score(gan.critic, held_out) if held_out else None,
        "norm_generator": _norm(gan.generator),
        "norm_critic": _norm(gan.critic),
    }
    if not all(math.isfinite(row[name]) for name in ("norm_generator", "norm_critic")):
        raise FloatingPointError(f"weights are no longer finite in epoch {epoch}: lower the learning rates")
    if not gan.training.private:
        row["loss_critic"] = gan.loss.item() / (gan.training.steps_per_epoch * gan.training.critic_steps)
        gan.loss.zero_()
    return row


def _score(critic: nn.Module, pairs: Pairs) -> float:
    parts = [
        critic(pairs.take(np.arange(start, min(start + SCORED, len(pairs))))).sum().item()
        for start in range(0, len(pairs), SCORED)
    ]
    return math.fsum(parts) / len(pairs)


def _norm(net: nn.Module) -> float:
    return torch.stack([parameter.norm() for parameter in net.parameters()]).norm().item()


def _tell(training: GanTraining, *, step: int, rate: float) -> None:
    left = timedelta(seconds=round((training.steps - step) / rate))
    epoch = (step - 1) // training.steps_per_epoch + 1
    level = f"noise {training.noise_multiplier:.4g}" if training.private else "no noise"
    log.info(
        "GAN, %s: epoch %d of %d, step %d of %d, %.2f steps/s, %s left",
        level, epoch, training.epochs, step, training.steps, rate, left,
    )  # fmt: skip
