"""What a GAN's training writes: its checkpoint, the kept generators, and in the end the finished files.

All of it lies in a hidden folder beside the outputs until the last moment, because Snakemake deletes outputs
whenever a job starts or fails.
"""

import csv
import json
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from torch import Tensor

from privessel.errors import DamagedError, PrivacyError
from privessel.files import checkpoint
from privessel.files.atomic import atomic_path
from privessel.gan import paid_runs as finished
from privessel.gan.step import Gan
from privessel.gan.training import GanTraining
from privessel.privacy.account import Point
from privessel.privacy.ledger import Ledger
from privessel.privacy.site import PaidRun

log = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.pt"
CRITIC = "critic.pt"


def load_checkpoint(resume: Path, training: GanTraining, *, digest: str, paid: PaidRun | None) -> dict | None:
    """Return the last checkpoint, None where the run starts from its first step.

    Raises PrivacyError where a run that is paid for could not go on without being charged again.
    """
    path = resume / CHECKPOINT
    if not path.exists():
        return None
    try:
        state = checkpoint.load(path)
    except DamagedError as problem:
        if not paid:
            raise
        raise PrivacyError(
            f"{path} cannot be gone on from: {problem}. Before you remove it: a run that starts anew on the "
            "CPU that it began on repeats its steps at no cost; anywhere else all of them are charged again"
        ) from problem
    if state.get("identity") != digest:
        if paid:
            raise PrivacyError(
                f"{path} is of another run: its settings, patches, code or libraries were not those of now. "
                f"Bring them back to go on with it, or remove {resume} to start anew (what was charged stays "
                "charged)"
            )
        log.warning("%s is of a run with other settings, patches or code; starting anew", path)
        shutil.rmtree(resume)
        return None
    kept = [epoch for epoch in training.kept_epochs if epoch <= len(state["history"])]
    if not all(_generator_file(resume, epoch).exists() for epoch in kept):
        if paid and not paid.machine:
            raise PrivacyError(
                f"{resume}: the generator of a kept epoch is missing. Remedy: bring it back; or remove "
                f"{resume} to start anew, which charges all steps again"
            )
        log.warning("%s: a kept generator is missing; starting anew", resume)
        return None
    return state


def ledger_point(saved: dict | None, training: GanTraining) -> Point:
    """Return where a checkpoint stands in the run's ledger."""
    if saved is None or saved["ledger"] is None:
        return Point()
    return Point(saved["gan"]["step"] * training.critic_steps, **saved["ledger"])


def save_checkpoint(
    resume: Path,
    gan: Gan,
    *,
    digest: str,
    history: list[dict],
    ledger: Ledger | None,
    watched: Tensor | None,
) -> None:
    """Write all that the run needs to go on, and where its ledger stands; the history beside it."""
    with atomic_path(resume / "history.csv") as partial, partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(history[0]) if history else ["epoch"])
        writer.writeheader()
        writer.writerows(history)
    stood = {"attempt": ledger.attempt, "head": ledger.head} if ledger else None
    state = {"identity": digest, "history": history, "ledger": stood, "gan": gan.state(), "watched": watched}
    checkpoint.save(resume / CHECKPOINT, state)


def keep_generator(resume: Path, gan: Gan, epoch: int) -> None:
    """Write the generator of an epoch: weights and shape."""
    weights = {name: value.detach().cpu() for name, value in gan.kept.state_dict().items()}
    checkpoint.save(
        _generator_file(resume, epoch), {"shape": asdict(gan.shape), "epoch": epoch, "weights": weights}
    )


def keep_critic(resume: Path, gan: Gan, watched: Tensor) -> None:
    """Write the critic of an audit's run, and what was watched; for whoever attacks the run."""
    weights = {name: value.detach().cpu() for name, value in gan.critic.state_dict().items()}
    checkpoint.save(resume / CRITIC, {"shape": asdict(gan.shape), "weights": weights, "watched": watched})


def _generator_file(folder: Path, epoch: int) -> Path:
    return folder / f"generator-epoch-{epoch}.pt"


def publish(
    resume: Path,
    folder: Path,
    kept_epochs: tuple[int, ...],
    record: dict,
    *,
    identity: Mapping[str, object] | None,
    more: Sequence[str],
) -> None:
    """Bring the finished run's files, and `more`, to their place; with an identity keep them for good."""
    with atomic_path(resume / "privacy.json") as partial:
        partial.write_text(json.dumps(record, indent=2) + "\n")
    names = [f"generator-epoch-{epoch}.pt" for epoch in kept_epochs] + ["history.csv", "privacy.json"]
    names += more
    if identity is not None:
        finished.keep([resume / name for name in names], folder, identity=identity)
    for name in names:
        (resume / name).replace(folder / name)
    shutil.rmtree(resume)
