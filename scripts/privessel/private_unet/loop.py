"""Training a private U-Net from its start to its finished files, through any interruption."""

import logging
import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, replace

import torch

from privessel.files.lock import SILENT_MINUTES, lock
from privessel.gan import paid_runs
from privessel.gan.charged_steps import ChargedRun
from privessel.gan.checkpoints import RunFiles, ledger_point, read_checkpoint, write_checkpoint
from privessel.privacy.account import Account
from privessel.privacy.accounting import epsilon
from privessel.privacy.keys import Stream
from privessel.privacy.ledger import Ledger
from privessel.privacy.site import PaidRun
from privessel.private_unet.step import LabelledPatches, PrivateUNet, clip_patches
from privessel.private_unet.training import PrivateTraining
from privessel.unet.net import TrainedUNet

log = logging.getLogger(__name__)

ROWS = 10  # of the history, at most: one for every tenth of the steps
WEIGHTS, HISTORY = "unet.pt", "history.csv"


def train(
    data: LabelledPatches,
    *,
    start: TrainedUNet,
    training: PrivateTraining,
    source: Stream | PaidRun,
    files: RunFiles,
    device: str,
    record: Callable[[Account | None], dict],
) -> None:
    """Train a private U-Net and leave unet.pt, history.csv and privacy.json in `files.folder`.

    Every random number comes from `source`, by its purpose and step. A run that was stopped therefore
    continues from its last checkpoint as if nothing had happened: on a CPU with the same number of threads it
    ends with the same bits. Checkpoints are saved every `files.checkpoint_seconds`, and with each row of the
    history. Raises BusyError when another process works in the folder, and PrivacyError, before anything is
    charged, for a net with layers whose gradients cannot be clipped.

    If `source` is a `PaidRun`, steps are charged to its ledger before anything that they influenced is
    written. A finished paid run is never trained again (`gan.paid_runs`), and a checkpoint with another
    identity is refused with PrivacyError. Any other run then starts from the beginning.

    `record` is called with the run's account after the last step and returns the content of privacy.json. It
    is called with None before the first step, too, so that a failure comes before any charge.
    """
    clip_patches(start.network(torch.device("cpu")))
    # No reduced precision where norms must be bounded, and the same kernels in every call.
    exact = torch.backends.cudnn.flags(benchmark=False, deterministic=True, allow_tf32=False)
    with exact, lock(files.folder / ".lock", silent_minutes=SILENT_MINUTES) as beat:
        paid = source if isinstance(source, PaidRun) else None
        if paid_runs.restore(files.folder, identity=files.identity, paid=paid):
            return
        saved = read_checkpoint(files.resume, digest=files.digest, paid=paid)
        record(None)
        point = ledger_point(saved, step=saved["unet"]["step"] if saved else 0)
        opened = paid.open(point, silent_minutes=SILENT_MINUTES) if paid else nullcontext((source, None))
        with opened as (stream, ledger):
            unet = PrivateUNet(start, training, stream=stream, device=device)
            if saved:
                unet.restore(saved["unet"])
                log.info("going on from step %d of %d", unet.step, training.steps)
            run = _OpenRun(unet, data, start, saved["history"] if saved else [], files, ledger)
            run.take_steps(unet.step, training.steps, charges=1, beat=beat)
            # Nothing that follows from patches of patients goes along with the weights.
            trained = replace(start, weights=unet.weights(), identity={"private": True})
            trained.save(files.resume / WEIGHTS)
            paid_runs.publish(
                files.resume,
                files.folder,
                [WEIGHTS, HISTORY],
                record(ledger.account if ledger else None),
                identity=files.identity,
                paid=paid,
            )


@dataclass
class _OpenRun(ChargedRun):
    """A run in progress: the net, its patches, and where its progress is written and charged."""

    unet: PrivateUNet
    data: LabelledPatches
    start: TrainedUNet
    history: list[dict]
    files: RunFiles
    ledger: Ledger | None

    def advance(self) -> None:
        self.unet.advance(self.data)

    def ends_row(self, step: int) -> bool:
        steps = self.unet.training.steps
        return step % -(-steps // ROWS) == 0 or step == steps

    def end_row(self) -> None:
        self.history.append(self._history_row())

    def save(self) -> None:
        state = {"unet": self.unet.state()}
        write_checkpoint(
            self.files.resume, state, digest=self.files.digest, history=self.history, ledger=self.ledger
        )

    def say(self, step: int, pace: str) -> None:
        training = self.unet.training
        noise = training.noise_multiplier
        log.info("private U-Net, noise %.4g: step %d of %d, %s", noise, step, training.steps, pace)

    @torch.no_grad()
    def _history_row(self) -> dict:
        """Return a row of the history: only what follows from released gradients, and from nothing else."""
        unet, training = self.unet, self.unet.training
        charged = self.ledger.account.charged_before(unet.step) if self.ledger else unet.step
        weights = unet.weights()
        moved = [(weights[name] - self.start.weights[name].cpu()).norm() for name in weights]
        row = {
            "step": unet.step,
            "epsilon": epsilon(
                noise_multiplier=training.noise_multiplier,
                sampling_rate=training.sampling_rate,
                steps=charged,
                delta=training.unit_delta,
            ),
            "norm": torch.stack([value.norm() for value in weights.values()]).norm().item(),
            "distance_from_start": torch.stack(moved).norm().item(),
        }
        if not math.isfinite(row["norm"]):
            raise FloatingPointError(f"weights are no longer finite at step {unet.step}: lower learning_rate")
        return row
