"""Training a GAN of labelled patches from its first step to its finished files, through any interruption."""

import logging
import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from privessel.files.lock import SILENT_MINUTES, lock
from privessel.gan import paid_runs
from privessel.gan.charged_steps import ChargedRun
from privessel.gan.checkpoints import RunFiles, ledger_point
from privessel.gan.files import keep_critic, keep_generator, list_outputs, load_checkpoint, save_checkpoint
from privessel.gan.nets import GanShape
from privessel.gan.pairs import Pairs, TrainingPatches
from privessel.gan.step import Gan, Watch, check_critic
from privessel.gan.training import GanTraining
from privessel.privacy.account import Account
from privessel.privacy.accounting import epsilon
from privessel.privacy.keys import Stream
from privessel.privacy.ledger import Ledger
from privessel.privacy.site import PaidRun

log = logging.getLogger(__name__)

SCORED = 256  # pairs scored at a time, and the number of fakes behind the history's score


def train(
    patches: TrainingPatches,
    *,
    shape: GanShape,
    training: GanTraining,
    source: Stream | PaidRun,
    files: RunFiles,
    device: str,
    record: Callable[[Account | None], dict],
    watch: Watch | None = None,
) -> None:
    """Train a GAN and leave generator-epoch-{e}.pt, history.csv and privacy.json in `files.folder`.

    Every random number comes from `source`, by its purpose and step. A run that was stopped therefore
    continues from its last checkpoint as if nothing had happened: on a CPU with the same number of threads it
    ends with the same bits. Checkpoints lie in the folder's `.resume` and are saved every
    `files.checkpoint_seconds` and after every epoch. Raises BusyError when another process works in the
    folder.

    If `source` is a `PaidRun`, the critic's steps are charged to its ledger before anything that they
    influenced is written. A finished paid run is never trained again (`paid_runs`), and a checkpoint with
    another identity is refused with PrivacyError. Any other run then starts from the beginning.

    `record` is called with the run's account after the last step and returns the content of privacy.json. A
    private run calls it with None before the first step, too, so that a failure comes before any charge.
    With a `watch`, critic.pt is written too: the last critic, and what was observed.
    """
    check_critic(shape, training)
    patches.check(shape, training)
    # No reduced precision where norms must be bounded, and the same kernels in every call.
    exact = torch.backends.cudnn.flags(benchmark=False, deterministic=True, allow_tf32=False)
    with exact, lock(files.folder / ".lock", silent_minutes=SILENT_MINUTES) as beat:
        paid = source if isinstance(source, PaidRun) else None
        if paid_runs.restore(files.folder, identity=files.identity, paid=paid):
            return
        saved = load_checkpoint(files.resume, training, digest=files.digest, paid=paid)
        if training.private:
            record(None)  # what privacy.json will say must be computable before a step is taken and charged
        point = ledger_point(saved, step=saved["gan"]["step"] * training.critic_steps if saved else 0)
        opened = paid.open(point, silent_minutes=SILENT_MINUTES) if paid else nullcontext((source, None))
        with opened as (stream, ledger):
            data, held_out = _on_device(patches, training, device)
            gan = Gan(shape, training, stream=stream, device=device)
            history = _restore(gan, watch, saved)
            run = _OpenRun(gan, data, held_out, history, files, ledger, watch)
            with watch.open(gan, data) if watch else nullcontext():
                run.take_steps(gan.step, training.steps, charges=training.critic_steps, beat=beat)
            if watch:
                keep_critic(files.resume, gan, watch.state())
            paid_runs.publish(
                files.resume,
                files.folder,
                list_outputs(training.kept_epochs, watched=watch is not None),
                record(ledger.account if ledger else None),
                identity=files.identity,
                paid=paid,
            )


@dataclass
class _OpenRun(ChargedRun):
    """A run in progress: the GAN, its patches, and where its progress is written and charged."""

    gan: Gan
    data: Pairs
    held_out: Pairs | None  # pairs of validation patients, scored for the history
    history: list[dict]  # one row for every finished epoch
    files: RunFiles
    ledger: Ledger | None
    watch: Watch | None

    def advance(self) -> None:
        self.gan.advance(self.data)

    def ends_row(self, step: int) -> bool:
        return step % self.gan.training.steps_per_epoch == 0

    def end_row(self) -> None:
        epoch = self.gan.step // self.gan.training.steps_per_epoch
        self.history.append(self._history_row(epoch))
        if epoch in self.gan.training.kept_epochs:
            keep_generator(self.files.resume, self.gan, epoch)

    def save(self) -> None:
        save_checkpoint(
            self.files.resume,
            self.gan,
            digest=self.files.digest,
            history=self.history,
            ledger=self.ledger,
            watched=self.watch.state() if self.watch else None,
        )

    def say(self, step: int, pace: str) -> None:
        training = self.gan.training
        epoch = (step - 1) // training.steps_per_epoch + 1
        level = f"noise {training.noise_multiplier:.4g}" if training.private else "no noise"
        log.info(
            "GAN, %s: epoch %d of %d, step %d of %d, %s",
            level, epoch, training.epochs, step, training.steps, pace,
        )  # fmt: skip

    @torch.no_grad()
    def _history_row(self, epoch: int) -> dict:
        """Return an epoch's row of the history; if private, only what follows from released gradients."""
        gan, training = self.gan, self.gan.training
        steps = gan.step * training.critic_steps
        charged = self.ledger.account.charged_before(steps) if self.ledger else steps
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
            "score_validation": _mean_score(gan.critic, self.held_out) if self.held_out else None,
            "norm_generator": _norm(gan.generator),
            "norm_critic": _norm(gan.critic),
        }
        if not all(math.isfinite(row[name]) for name in ("norm_generator", "norm_critic")):
            raise FloatingPointError(
                f"weights are no longer finite in epoch {epoch}: lower the learning rates"
            )
        if not training.private:
            row["loss_critic"] = gan.loss.item() / (training.steps_per_epoch * training.critic_steps)
            gan.loss.zero_()
        return row


def _on_device(patches: TrainingPatches, training: GanTraining, device: str) -> tuple[Pairs, Pairs | None]:
    """Return the training pairs and, where there are some, the validation pairs on the device."""
    target = {"device": device, "background": training.label_background}
    data = Pairs(patches.images, patches.labels, patients=patches.patients, **target)
    if not patches.validation:
        return data, None
    images, labels = patches.validation
    return data, Pairs(images, labels, patients=np.zeros(len(images), int), **target)


def _restore(gan: Gan, watch: Watch | None, saved: dict | None) -> list[dict]:
    """Restore `gan` and `watch` from the checkpoint, if there is one, and return its history."""
    if saved is None:
        return []
    gan.restore(saved["gan"])
    if watch:
        watch.restore(saved["watched"])
    log.info("going on from step %d of %d", gan.step, gan.training.steps)
    return saved["history"]


def _mean_score(critic: nn.Module, pairs: Pairs) -> float:
    parts = [
        critic(pairs.take(np.arange(start, min(start + SCORED, len(pairs))))).sum().item()
        for start in range(0, len(pairs), SCORED)
    ]
    return math.fsum(parts) / len(pairs)


def _norm(net: nn.Module) -> float:
    return torch.stack([parameter.norm() for parameter in net.parameters()]).norm().item()
