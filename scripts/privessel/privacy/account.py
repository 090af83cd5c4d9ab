"""What a ledger says, as plain data: who a private run is, its attempts, and the steps it was charged for."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

from privessel.errors import PrivacyError
from privessel.limits import UNITS
from privessel.privacy.accounting import Charge
from privessel.privacy.chain import Head


@dataclass(frozen=True)
class Run:
    """Who and what a private run is: its names, its mechanism, and keyed digests of its patients.

    Raises ValueError for a run that has no ledger (no noise, no patients, no such unit) and PrivacyError
    where one patient is named twice.
    """

    identity: str  # digest of everything that decides its weights (identity.identity_digest)
    cohort: str
    architecture: str
    level: str
    run: int
    unit: str  # patch or patient
    noise_multiplier: float | None  # None where there is a pure eps
    sampling_rate: float
    steps: int  # critic steps of the whole run, or draws of a vote
    patients: tuple[tuple[str, str], ...]  # of each, the keyed digests of its id and its voxels
    series: str = "run"  # a `run` of the study, or an `audit`
    # How many patches a patient gave, and how many of them show one place, at most. None in the ledgers of
    # older versions; the first is None, too, where patients are the unit.
    patches_per_patient: int | None = None
    region_patches: int | None = None
    pure_epsilon: float | None = None  # of one step of a vote, which adds no Gaussian noise

    @property
    def name(self) -> str:
        """The name that users know the run by, such as wgan/noise-1/run-2."""
        return f"{self.architecture}/{self.level}/{self.series}-{self.run}"

    def charge(self, steps: int) -> Charge:
        """Return what so many steps of the run cost."""
        return Charge(self.noise_multiplier, self.sampling_rate, steps, self.pure_epsilon)

    def is_same(self, other: "Run") -> bool:
        """Whether a ledger's run is `other`; its counts may be missing, because older versions wrote none."""
        if self.region_patches is not None:
            return self == other
        counts = {"patches_per_patient": other.patches_per_patient, "region_patches": other.region_patches}
        return replace(self, **counts) == other

    def __post_init__(self) -> None:
        if self.unit not in UNITS:
            raise ValueError(f"the privacy unit is 'patch' or 'patient', not {self.unit!r}")
        if not self.charge(0).protected:
            raise ValueError(f"{self.name}: a run without noise cannot be paid for, and has no ledger")
        counts = (self.patches_per_patient, self.region_patches)
        if any(count is not None and count < 1 for count in counts):
            raise ValueError(f"{self.name}: a patient and a place have 1 patch or more, not {counts}")
        if not self.patients:
            raise ValueError(f"{self.name}: a private run has patients")
        for digests in zip(*self.patients, strict=True):
            if len(set(digests)) < len(digests):
                raise PrivacyError(
                    f"{self.name}: two patients of {self.cohort} have the same id or the same scan"
                )


@dataclass(frozen=True)
class Point:
    """The step that a run continues from: 0, or the step of its last checkpoint.

    `step` counts critic steps. `attempt` is the number of the attempt that took them, None at step 0. `head`
    is the head of the ledger at the time of the checkpoint, and `register` the mac of the register's last
    line; a ledger or register that does not contain them is an older copy.
    """

    step: int = 0
    attempt: int | None = None
    head: Mapping[str, object] | None = None
    register: str = ""


@dataclass(frozen=True)
class Attempt:
    """One start with fresh noise.

    `machine` names the machine that computes the same bits again, None where none does. The attempt
    continued from the state that attempt `origin` had at step `start`; `origin` is None for a start from the
    beginning. `commitment` is a digest of the attempt's nonce (`nonce.commit`); attempts of older versions
    have none, and are never repeated.
    """

    machine: str | None
    start: int
    origin: int | None
    commitment: str | None = None


@dataclass(frozen=True)
class Account:
    """A run and the critic steps that it was charged for.

    `blocks` are (attempt, first, last), the step `last` not included. `head` is the head of the ledger, and
    `register` the mac of the register's last line, at the time when the account was read.
    """

    run: Run
    blocks: tuple[tuple[int, int, int], ...]
    attempts: tuple[Attempt, ...]
    head: Head
    register: str = ""

    def cite(self) -> dict[str, object]:
        """Return what the run's privacy.json says of its ledger, so that a release can look it up."""
        entry = {"identity": self.run.identity, "attempts": len(self.attempts)}
        return entry | asdict(self.head) | {"register": self.register}

    @property
    def steps(self) -> int:
        """How many steps the run has to pay for: each step once in every attempt that took it."""
        return self.charged_before(self.reached)

    def charged_before(self, step: int) -> int:
        """Return what a generator that was kept at `step` has cost: all charges of steps before it."""
        total, seen = 0, (-1, 0)
        for attempt, first, last in sorted(self.blocks):
            reached = seen[1] if seen[0] == attempt else 0
            total += max(0, min(last, step) - max(first, reached))
            seen = (attempt, max(last, reached))
        return total

    def replays(self, point: Point, machine: str | None) -> bool:
        """Whether a run that continues from `point` on `machine` repeats its last attempt, bit by bit.

        It does where the last attempt began on the same machine, and either made the state at `point` or
        began from it. (The attempt's nonce must be there too; the ledger looks for it.)
        """
        if machine is None or not self.attempts or self.attempts[-1].machine != machine:
            return False
        began = self.attempts[-1]
        own = point.attempt == len(self.attempts) - 1
        return own or (point.attempt, point.step) == (began.origin, began.start)

    def total(self, *, start: int, replays: bool) -> int:
        """Return how many steps will have been charged when the run ends.

        `start` is the step that it continues from (0, or its checkpoint's); `replays` says whether steps from
        there on that its last attempt was charged for are repeated at no cost. What an earlier attempt was
        charged for is charged again all the same.
        """
        paid = max(start, self.last_reached) if replays else start
        return self.steps + max(0, self.run.steps - paid)

    @property
    def last_reached(self) -> int:
        """The step up to which the last attempt has been charged; where it began, if it was not yet."""
        number = max(len(self.attempts) - 1, max((attempt for attempt, _, _ in self.blocks), default=-1))
        began = self.attempts[number].start if number < len(self.attempts) and number >= 0 else 0
        return max((last for attempt, _, last in self.blocks if attempt == number), default=began)

    @property
    def reached(self) -> int:
        """The largest step that the run has reached, in any attempt."""
        return max((last for _, _, last in self.blocks), default=0)

    @property
    def charge(self) -> Charge:
        """Everything that the run has spent."""
        return self.run.charge(self.steps)
