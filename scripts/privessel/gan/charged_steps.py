"""The steps of a training, charged before anything that they influenced is written (rule 8)."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from datetime import timedelta

from privessel.gan.checkpoints import RunFiles
from privessel.privacy.ledger import Ledger

LOG_SECONDS = 10.0


class ChargedRun(ABC):
    """A run in progress, whatever it trains: where its steps are charged and its progress is written."""

    files: RunFiles
    ledger: Ledger | None  # None: nobody is charged
    history: list[dict]

    @abstractmethod
    def advance(self) -> None:
        """Take one step."""

    @abstractmethod
    def ends_row(self, step: int) -> bool:
        """Whether a row of the history ends at a step, counted from 1."""

    @abstractmethod
    def end_row(self) -> None:
        """Add a row to the history, and keep what is kept at its end."""

    @abstractmethod
    def save(self) -> None:
        """Write a checkpoint."""

    @abstractmethod
    def say(self, step: int, pace: str) -> None:
        """Log the progress; `pace` gives rate and time left."""

    def take_steps(self, first: int, last: int, *, charges: int, beat: Callable[[], None]) -> None:
        """Take the steps after `first` up to `last`.

        charges: the ledger's steps in each. beat: tells other processes that this one is alive.
        """
        charged = first
        started = saved = logged = time.monotonic()
        for step in range(first + 1, last + 1):
            self.advance()
            now = time.monotonic()
            if now - logged >= LOG_SECONDS:
                beat()
                if self.ledger:
                    self.ledger.beat()
                rate = (step - first) / (now - started)
                left = timedelta(seconds=round((last - step) / rate))
                self.say(step, f"{rate:.2f} steps/s, {left} left")
                logged = now
            ends_row = self.ends_row(step)
            if not ends_row and now - saved < self.files.checkpoint_seconds:
                continue
            # The charge is on disk before anything that the charged steps influenced.
            if self.ledger:
                self.ledger.charge(charged * charges, step * charges)
                charged = step
            if ends_row:
                self.end_row()
            self.save()
            saved = time.monotonic()
