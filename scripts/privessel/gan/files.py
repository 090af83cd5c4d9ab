"""The files of a GAN's training: its checkpoint, the kept generators, and the finished outputs.

Until the run has ended all of them lie in its hidden folder (`gan.checkpoints`).
"""

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from torch import Tensor

from privessel.files import checkpoint
from privessel.gan.checkpoints import cannot_continue, read_checkpoint, write_checkpoint
from privessel.gan.step import Gan
from privessel.gan.training import GanTraining
from privessel.privacy.ledger import Ledger
from privessel.privacy.site import PaidRun

log = logging.getLogger(__name__)

CRITIC = "critic.pt"


def load_checkpoint(resume: Path, training: GanTraining, *, digest: str, paid: PaidRun | None) -> dict | None:
    """Return the last checkpoint, or None where the run has to start from its first step.

    As `read_checkpoint`. A kept epoch whose generator is missing is a reason to start again, too.
    """
    state = read_checkpoint(resume, digest=digest, paid=paid)
    kept = [epoch for epoch in training.kept_epochs if epoch <= len(state["history"])] if state else []
    if not all(_generator_file(resume, epoch).exists() for epoch in kept):
        if paid:
            raise cannot_continue(resume, "the generator of a kept epoch is missing")
        log.warning("%s: the generator of a kept epoch is missing; starting from the beginning", resume)
        return None
    return state


def save_checkpoint(
    resume: Path,
    gan: Gan,
    *,
    digest: str,
    history: list[dict],
    ledger: Ledger | None,
    watched: Tensor | None,
) -> None:
    """Write the history, and the checkpoint: all that the run needs to continue, and its ledger's state."""
    state = {"gan": gan.state(), "watched": watched}
    write_checkpoint(resume, state, digest=digest, history=history, ledger=ledger)


def keep_generator(resume: Path, gan: Gan, epoch: int) -> None:
    """Write the generator of a kept epoch: its weights and its shape."""
    weights = {name: value.detach().cpu() for name, value in gan.kept.state_dict().items()}
    checkpoint.save(
        _generator_file(resume, epoch), {"shape": asdict(gan.shape), "epoch": epoch, "weights": weights}
    )


def keep_critic(resume: Path, gan: Gan, watched: Tensor) -> None:
    """Write the last critic of an audit's run with the watched scores, for the attacks on the run."""
    weights = {name: value.detach().cpu() for name, value in gan.critic.state_dict().items()}
    checkpoint.save(resume / CRITIC, {"shape": asdict(gan.shape), "weights": weights, "watched": watched})


def _generator_file(folder: Path, epoch: int) -> Path:
    return folder / f"generator-epoch-{epoch}.pt"


def list_outputs(kept_epochs: Sequence[int], *, watched: bool) -> list[str]:
    """Return the names of a finished run's files, without privacy.json."""
    names = [f"generator-epoch-{epoch}.pt" for epoch in kept_epochs] + ["history.csv"]
    return [*names, CRITIC] if watched else names
