"""What a private run is, how it went on, and the steps it was charged: what a ledger says, as plain data."""

from collections.abc import Mapping
from dataclasses import dataclass

from privessel.errors import PrivacyError
from privessel.privacy.accounting import Charge
from privessel.privacy.chain import Head


@dataclass(frozen=True)
class Run:
    """Who and what a private run is: its names, its mechanism, and keyed digests of its patients."""

    identity: str  # digest of all that decides its draws (keys.identity_digest)
    cohort: str
    architecture: str
    level: str
    run: int
    unit: str  # patch or patient
    noise_multiplier: float
    sampling_rate: float
    steps: int  # critic steps of the whole run
    patients: tuple[tuple[str, str], ...]  # of each, the keyed digests of its id and its voxels
    series: str = "run"  # of the study, or an `audit` of its promise

    @property
    def name(self) -> str:
        """The run as a user knows it, such as wgan/noise-1/run-2."""
        return f"{self.architecture}/{self.level}/{self.series}-{self.run}"

    def __post_init__(self) -> None:
        if self.unit not in ("patch", "patient"):
            raise ValueError(f"the privacy unit is 'patch' or 'patient', not {self.unit!r}")
        if not Charge(self.noise_multiplier, self.sampling_rate, 0).protected:
            raise ValueError(f"{self.name}: a run without noise cannot be paid for, and has no ledger")
        if not self.patients:
            raise ValueError(f"{self.name}: a private run has patients")
        for digests in zip(*self.patients, strict=True):
            if len(set(digests)) < len(digests):
                raise PrivacyError(
                    f"{self.name}: two patients of {self.cohort} have the same id or the same scan"
                )


@dataclass(frozen=True)
class Point:
    """Where a run stands that goes on: nowhere, or at a checkpoint.

    `step` counts critic steps; `attempt` made them; `head` is where the ledger stood when they were saved.
    """

    step: int = 0
    attempt: int | None = None
    head: Mapping[str, object] | None = None


@dataclass(frozen=True)
class Attempt:
    """One start with fresh noise, from the state that attempt `origin` (None: no state) had at step `start`.

    `machine` names what computes the same bits again; None: nothing does.
    """

    machine: str | None
    start: int
    origin: int | None


@dataclass(frozen=True)
class Account:
    """A run and the critic steps charged to it: blocks (attempt, first, last), `last` not included."""

    run: Run
    blocks: tuple[tuple[int, int, int], ...]
    attempts: tuple[Attempt, ...]
    head: Head

    @property
    def steps(self) -> int:
        """Steps to pay for: in every attempt each step once."""
        return self.charged_before(self.reached)

    def charged_before(self, step: int) -> int:
        """Return how often a step before `step` was charged: what a generator kept there has cost."""
        total, seen = 0, (-1, 0)
        for attempt, first, last in sorted(self.blocks):
            reached = seen[1] if seen[0] == attempt else 0
            total += max(0, min(last, step) - max(first, reached))
            seen = (attempt, max(last, reached))
        return total

    def replays(self, point: Point, machine: str | None) -> bool:
        """Whether a run that goes on from `point` repeats what its last attempt did there, bit by bit."""
        if machine is None or not self.attempts or self.attempts[-1].machine != machine:
            return False
        began = self.attempts[-1]
        own = point.attempt == len(self.attempts) - 1
        return own or (point.attempt, point.step) == (began.origin, began.start)

    def total(self, *, start: int, replays: bool) -> int:
        """Return the steps charged once the run has ended: those so far, and those from `start` on.

        `start` is the step that it goes on from (0, or its checkpoint's).
        """
        return self.steps + max(0, self.run.steps - (max(start, self.reached) if replays else start))

    @property
    def reached(self) -> int:
        """The step that the run has come to, in whichever attempt."""
        return max((last for _, _, last in self.blocks), default=0)

    @property
    def charge(self) -> Charge:
        """All that the run has spent."""
        return Charge(self.run.noise_multiplier, self.run.sampling_rate, self.steps)
