"""The files of a GAN's training: its checkpoint, the kept generators, and the finished outputs.

Until the run has ended all of them lie in the hidden folder `.resume` beside the outputs, because Snakemake
deletes a job's outputs whenever the job starts or fails.
"""

import csv
import logging
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from torch import Tensor

from privessel.errors import DamagedError, PrivacyError
from privessel.files import checkpoint
from privessel.files.atomic import atomic_path
from privessel.gan.step import Gan
from privessel.gan.training import GanTraining
from privessel.privacy.account import Point
from privessel.privacy.identity import identity_digest
from privessel.privacy.ledger import Ledger
from privessel.privacy.site import PaidRun

log = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.pt"
CRITIC = "critic.pt"


@dataclass(frozen=True)
class RunFiles:
    """Where a run writes, how often it saves a checkpoint, and the identity that a checkpoint must have."""

    folder: Path
    identity: Mapping[str, object]  # everything that decides the run's weights (GanRun.identity)
    checkpoint_seconds: float  # longest time between two checkpoints within an epoch

    @property
    def resume(self) -> Path:
        """The hidden folder of an unfinished run."""
        return self.folder / ".resume"

    @cached_property
    def digest(self) -> str:
        """The digest of the identity."""
        return identity_digest(self.identity)


def load_checkpoint(resume: Path, training: GanTraining, *, digest: str, paid: PaidRun | None) -> dict | None:
    """Return the last checkpoint, or None where the run has to start from its first step.

    As `read_checkpoint`. A kept epoch whose generator is missing is a reason to start again, too.
    """
    state = read_checkpoint(resume, digest=digest, paid=paid)
    kept = [epoch for epoch in training.kept_epochs if epoch <= len(state["history"])] if state else []
    if not all(_generator_file(resume, epoch).exists() for epoch in kept):
        if paid:
            raise _cannot_continue(resume, "the generator of a kept epoch is missing")
        log.warning("%s: the generator of a kept epoch is missing; starting from the beginning", resume)
        return None
    return state


def read_checkpoint(resume: Path, *, digest: str, paid: PaidRun | None) -> dict | None:
    """Return what `write_checkpoint` wrote last, or None where a run has to start from its first step.

    Raises PrivacyError where a paid run could only continue by being charged for the same steps again, and
    where the checkpoint was charged to patients but this run is not, or the other way round.
    """
    path = resume / CHECKPOINT
    if not path.exists():
        return None
    try:
        state = checkpoint.load(path)
    except DamagedError as problem:
        if not paid:
            raise
        raise _cannot_continue(resume, str(problem)) from problem
    if state.get("identity") != digest:
        if paid:
            raise PrivacyError(
                f"{path} belongs to another run: it was made with other settings, patches, code or libraries "
                f"than there are now. Remedy: restore those to continue it, or remove {resume} to start from "
                "the beginning (what was charged stays charged)"
            )
        log.warning(
            "%s belongs to a run with other settings, patches or code; starting from the beginning", path
        )
        shutil.rmtree(resume)
        return None
    if bool(state["ledger"]) != bool(paid):
        before, now = ("charged", "is not any more") if state["ledger"] else ("not charged", "is now")
        raise PrivacyError(
            f"{path}: the steps of this run were {before} to the ledgers of patients, and the run {now}: the "
            "cohort's key `public` was changed. Remedy: change it back, or remove the folder and train under "
            "another `study`"
        )
    return state


def _cannot_continue(resume: Path, problem: str) -> PrivacyError:
    """Return the error of a paid run that could only start from the beginning."""
    return PrivacyError(
        f"{resume}: the run cannot continue: {problem}. Remedy: restore the folder from a backup; or remove "
        "it to start from the beginning. On the CPU where an unfinished run first began, that repeats "
        "its steps at no cost; anywhere else all of them are charged again"
    )


def ledger_point(saved: dict | None, *, step: int) -> Point:
    """Return the point of the run's ledger at which a checkpoint was saved; `step` of the ledger's steps."""
    if saved is None or saved["ledger"] is None:
        return Point()
    return Point(step, **saved["ledger"])


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


def write_checkpoint(
    resume: Path, state: Mapping[str, object], *, digest: str, history: list[dict], ledger: Ledger | None
) -> None:
    """Write history.csv, and the checkpoint: `state`, the history, and where the ledger is."""
    with atomic_path(resume / "history.csv") as partial, partial.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(history[0]) if history else ["epoch"])
        writer.writeheader()
        writer.writerows(history)
    position = None
    if ledger:
        position = {"attempt": ledger.attempt, "head": ledger.head, "register": ledger.register}
    content = {"identity": digest, "history": history, "ledger": position}
    checkpoint.save(resume / CHECKPOINT, content | state)


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
