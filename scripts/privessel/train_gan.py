"""Training a GAN of labelled patches from first step to finished files, through any interruption."""

import csv
import json
import logging
import math
import shutil
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from torch import nn

from privessel import checkpoint
from privessel.atomic import atomic_path
from privessel.errors import PrivacyError
from privessel.gans import GanShape
from privessel.privacy.accounting import epsilon, epsilon_published
from privessel.privacy.keys import Stream
from privessel.wgan import GanTraining, Pairs, Wgan

log = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.pt"
LOG_SECONDS = 10.0
SILENT_MINUTES = 10.0  # another machine's run without a heartbeat for so long is dead
SCORED = 256  # pairs scored at a time, and fakes behind the history's score
LIBRARIES = ("torch", "numpy", "randomgen", "opacus", "dp-accounting")  # named in privacy.json


def train(
    *,
    images: np.ndarray,
    labels: np.ndarray,
    validation: tuple[np.ndarray, np.ndarray] | None,
    shape: GanShape,
    training: GanTraining,
    stream: Stream,
    identity: str,
    folder: Path,
    device: str,
    checkpoint_seconds: float,
    charge: Callable[[int, int], dict | None] | None,
    record: Callable[[], dict],
) -> None:
    """Train a GAN and leave generator-epoch-{e}.pt, history.csv and privacy.json in `folder`.

    images (n, s, s) float32 in [-1, 1] and labels (n, s, s) bool are the patients' patches; `validation` is
    the same of other patients, for the history only. Every draw comes from `stream` by purpose and step, so a
    run that was stopped goes on from its last checkpoint (in `folder`/.resume; every `checkpoint_seconds` and
    after every epoch) as if nothing had happened: bit by bit on a CPU with the same number of threads. Raises
    PrivacyError on a leftover of another `identity`, and when another process works on the folder.

    A private run calls `charge(first, last)` for the critic steps first..last-1, counted from 0, before
    anything they influenced is written; what it returns, the ledger's head, goes into the checkpoint (see
    `ledger_head`). Steps since the last checkpoint are charged again when repeated; whether that was a replay
    is the ledger's to know. `record` is called after the last step and becomes privacy.json.
    """
    _check(images, labels, shape=shape, training=training)
    resume = folder / ".resume"
    # No reduced precision where norms are bounded, and the same kernels at every call.
    exact = torch.backends.cudnn.flags(benchmark=False, deterministic=True, allow_tf32=False)
    with exact, checkpoint.lock(folder / ".lock", silent_minutes=SILENT_MINUTES) as beat:
        on = {"device": device, "background": training.label_background}
        data = Pairs(images, labels, **on)
        held_out = Pairs(*validation, **on) if validation else None
        gan = Wgan(shape, training, stream=stream, device=device)
        history, head = _restore(resume, gan, identity=identity)
        first = charged = gan.step
        started = saved = logged = time.monotonic()
        while gan.step < training.steps:
            gan.advance(data)
            now = time.monotonic()
            if now - logged >= LOG_SECONDS:
                beat()
                _tell(training, step=gan.step, rate=(gan.step - first) / (now - started))
                logged = now
            epoch, rest = divmod(gan.step, training.steps_per_epoch)
            if rest and now - saved < checkpoint_seconds:
                continue
            if charge is not None and training.private:
                head = charge(charged * training.critic_steps, gan.step * training.critic_steps)
                charged = gan.step
            if rest == 0:
                history.append(_row(gan, epoch, patches=len(data), held_out=held_out))
                if epoch in training.kept_epochs:
                    _keep(resume, gan, epoch)
            _save(resume, gan, identity=identity, history=history, head=head)
            saved = time.monotonic()
        _publish(resume, folder, training.kept_epochs, record())


def ledger_head(folder: Path) -> dict | None:
    """Return where the ledger stood at the last checkpoint of the run in `folder`; None if there is none."""
    path = folder / ".resume" / CHECKPOINT
    return checkpoint.load(path).get("ledger_head") if path.exists() else None


def privacy_record(
    *,
    training: GanTraining,
    patches: int,
    public_key: bool,
    patient_statement: Callable[[int], dict],
) -> dict:
    """Return what privacy.json says of a finished run: its mechanism, and three numbers for each kept epoch.

    `patient_statement` says what a number of critic steps means for a patient.
    """
    rate = training.batch / patches
    epochs = {}
    for epoch in sorted(training.kept_epochs):
        steps = epoch * training.steps_per_epoch * training.critic_steps
        mechanism = {"noise_multiplier": training.noise_multiplier, "sampling_rate": rate, "steps": steps}
        epochs[str(epoch)] = {
            "charged_steps": steps if training.private else 0,
            "epsilon": _epsilon(training, patches, steps),
            "epsilon_as_published": epsilon_published(**mechanism, delta=training.delta)
            if training.private
            else None,
            "patient": patient_statement(steps),
        }
    record = {"protection": "unprotected, inside only", "noise_multiplier": None, "sampler": "shuffled"}
    if training.private:
        record = {
            "protection": "differential privacy",
            "unit": "patch",
            "noise_multiplier": training.noise_multiplier,
            "clipping_norm": training.clipping_norm,
            "delta": training.delta,
            "sampler": "poisson, fresh every critic step",
            "sampling_rate": rate,
            "fakes": training.fakes,
        }
    return record | {
        "patches": patches,
        "batch": training.batch,
        "public_key": public_key,
        "epochs": epochs,
        "versions": {name: version(name) for name in LIBRARIES},
    }


def _check(images: np.ndarray, labels: np.ndarray, *, shape: GanShape, training: GanTraining) -> None:
    """Raise ValueError for patches that cannot be trained on."""
    wanted = (len(images), shape.patch, shape.patch)
    if images.shape != wanted or labels.shape != wanted:
        raise ValueError(f"images {images.shape} and labels {labels.shape} must both be {wanted}")
    if images.dtype != np.float32 or labels.dtype != bool:
        raise ValueError(f"images must be float32 and labels bool, not {images.dtype} and {labels.dtype}")
    if len(images) < training.batch:
        raise ValueError(f"{len(images)} patches are fewer than a batch of {training.batch}")


def _restore(resume: Path, gan: Wgan, *, identity: str) -> tuple[list[dict], dict | None]:
    """Bring `gan` to its last checkpoint, if there is one; return history and ledger's head up to there."""
    path = resume / CHECKPOINT
    if not path.exists():
        return [], None
    state = checkpoint.load(path)
    if state.get("identity") != identity:
        raise PrivacyError(
            f"{path} is of another run: its settings, patches, code or libraries were not those of now. "
            f"Bring them back to go on with it, or remove {resume} to start anew (what was charged stays so)"
        )
    kept = [epoch for epoch in gan.training.kept_epochs if epoch <= len(state["history"])]
    if not all(_generator_file(resume, epoch).exists() for epoch in kept):
        log.warning("%s: a kept generator is missing; starting anew", resume)
        return [], None
    gan.restore(state["gan"])
    log.info("going on from step %d of %d", gan.step, gan.training.steps)
    return state["history"], state["ledger_head"]


def _save(resume: Path, gan: Wgan, *, identity: str, history: list[dict], head: dict | None) -> None:
    with atomic_path(resume / "history.csv") as partial, partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(history[0]) if history else ["epoch"])
        writer.writeheader()
        writer.writerows(history)
    state = {"identity": identity, "history": history, "ledger_head": head, "gan": gan.state()}
    checkpoint.save(resume / CHECKPOINT, state)


def _keep(resume: Path, gan: Wgan, epoch: int) -> None:
    weights = {name: value.detach().cpu() for name, value in gan.kept.state_dict().items()}
    checkpoint.save(
        _generator_file(resume, epoch), {"shape": asdict(gan.shape), "epoch": epoch, "weights": weights}
    )


def _generator_file(folder: Path, epoch: int) -> Path:
    return folder / f"generator-epoch-{epoch}.pt"


def _publish(resume: Path, folder: Path, kept_epochs: tuple[int, ...], record: dict) -> None:
    """Bring the finished run's files to their place, in one moment."""
    with atomic_path(resume / "privacy.json") as partial:
        partial.write_text(json.dumps(record, indent=2) + "\n")
    for name in [f"generator-epoch-{epoch}.pt" for epoch in kept_epochs] + ["history.csv", "privacy.json"]:
        (resume / name).replace(folder / name)
    shutil.rmtree(resume)


@torch.no_grad()
def _row(gan: Wgan, epoch: int, *, patches: int, held_out: Pairs | None) -> dict:
    """Return an epoch's history; of a private run only what follows from released gradients."""
    steps = gan.step * gan.training.critic_steps
    gan.kept.eval()
    fakes = gan.kept(gan.latents("scored latents", epoch, SCORED))
    gan.kept.train()
    row = {
        "epoch": epoch,
        "critic_steps": steps,
        "epsilon": _epsilon(gan.training, patches, steps),
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


def _epsilon(training: GanTraining, patches: int, steps: int) -> float | None:
    if not training.private:
        return None
    return epsilon(
        noise_multiplier=training.noise_multiplier,
        sampling_rate=training.batch / patches,
        steps=steps,
        delta=training.delta,
    )


def _tell(training: GanTraining, *, step: int, rate: float) -> None:
    left = timedelta(seconds=round((training.steps - step) / rate))
    epoch = (step - 1) // training.steps_per_epoch + 1
    level = f"noise {training.noise_multiplier:g}" if training.private else "no noise"
    log.info(
        "GAN, %s: epoch %d of %d, step %d of %d, %.2f steps/s, %s left",
        level, epoch, training.epochs, step, training.steps, rate, left,
    )  # fmt: skip
