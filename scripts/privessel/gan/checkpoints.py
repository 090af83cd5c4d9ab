"""The checkpoint of a training that may be paid for: the state, and where its ledger was at that time.

It lies in the hidden folder `.resume` beside the outputs until the run has ended, because Snakemake deletes a
job's outputs whenever the job starts or fails.
"""

import logging
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from privessel.errors import DamagedError, PrivacyError
from privessel.files import checkpoint
from privessel.files.tables import write_rows
from privessel.privacy.account import Point
from privessel.privacy.identity import identity_digest
from privessel.privacy.ledger import Ledger
from privessel.privacy.site import PaidRun

log = logging.getLogger(__name__)

CHECKPOINT = "checkpoint.pt"


@dataclass(frozen=True)
class RunFiles:
    """Where a run writes, how often it saves a checkpoint, and the identity that a checkpoint must have."""

    folder: Path
    identity: Mapping[str, object]  # everything that decides the run's weights
    checkpoint_seconds: float  # longest time between two checkpoints within an epoch

    @property
    def resume(self) -> Path:
        """The hidden folder of an unfinished run."""
        return self.folder / ".resume"

    @cached_property
    def digest(self) -> str:
        """The digest of the identity."""
        return identity_digest(self.identity)


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
        raise cannot_continue(resume, str(problem)) from problem
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
            "cohort's key `public` was changed. Remedy: change it back"
        )
    return state


def cannot_continue(resume: Path, problem: str) -> PrivacyError:
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


def write_checkpoint(
    resume: Path, state: Mapping[str, object], *, digest: str, history: list[dict], ledger: Ledger | None
) -> None:
    """Write history.csv, and the checkpoint: `state`, the history, and where the ledger is."""
    write_rows(resume / "history.csv", history, columns=list(history[0]) if history else ["epoch"])
    position = None
    if ledger:
        position = {"attempt": ledger.attempt, "head": ledger.head, "register": ledger.register}
    content = {"identity": digest, "history": history, "ledger": position}
    checkpoint.save(resume / CHECKPOINT, content | state)
