"""What each private run has spent, on disk before the noisy steps can influence anything that is kept.

One chained file a run, `{identity}.ledger`, in the site's private state beside the master secret. Its first
line says who and what the run is; the others are attempts and charge blocks. A step counts once an attempt:
within an attempt it is drawn from the same key, so doing it again after a kill is a replay of the same
release and costs nothing. That holds only on the machine that an attempt began on, and from a state that the
attempt itself has made: else the same noise would cover another gradient, and the two would show it. In all
other cases a new attempt begins, with noise and charges of its own.

A register, chained too, lists every run that ever had a ledger, so that one that was removed is missed.
"""

import fcntl
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from privessel.errors import PrivacyError
from privessel.files.lock import held, lock
from privessel.privacy.account import Account, Attempt, Point, Run
from privessel.privacy.chain import Chain, Head, append, read_chain
from privessel.privacy.keys import MasterSecret

log = logging.getLogger(__name__)

FORMAT = "privessel ledger 1"
REGISTER = "runs.register"


class Ledger:
    """An open account, made by `open_ledger`: charge steps before anything they influenced is kept.

    `account` is what has been charged so far; `beat` is the heartbeat.
    """

    def __init__(
        self,
        path: Path,
        *,
        key: bytes,
        chain: Chain,
        run: Run,
        point: Point,
        machine: str | None,
        beat: Callable[[], None],
    ) -> None:
        self._path, self._key, self._chain = path, key, chain
        self.beat = beat  # to be called every few minutes, else another machine may take the run over
        self.account = _account(path, chain) if chain.records else Account(run, (), (), chain.head)
        # Whether what a checkpoint has not seen is done again as it was, or anew.
        self.replays = self.account.replays(point, machine)
        self._machine = machine
        self._charging, self._reached = False, self.account.reached  # where this process stands

    @property
    def attempt(self) -> int:
        """The attempt that draws are made under: part of the run's key (keys.run_key)."""
        return len(self.account.attempts) - 1

    @property
    def head(self) -> dict[str, object]:
        """Where the ledger stands, for the checkpoint and for privacy.json: plain JSON."""
        return asdict(self._chain.head)

    def charge(self, first: int, last: int) -> None:
        """Charge the critic steps first..last-1, counted from 0; it is on disk when this returns.

        A block that this attempt has charged already is a replay and writes nothing. Raises ValueError where
        steps before `first` were never charged; PrivacyError where steps are repeated that cannot be
        replayed, and when another process took the run over.
        """
        if not 0 <= first <= last:
            raise ValueError(f"a block of steps is first..last with first <= last, not {first}..{last}")
        name, reached = self.account.run.name, self._reached
        if first > reached:
            raise ValueError(f"{name}: steps {reached}..{first} were never charged")
        if self._charging and first < reached and self._machine is None:
            raise PrivacyError(
                f"{name}: steps {first}..{reached} are repeated with the same noise where the same bits are "
                "not certain; open the ledger anew, so that they get fresh noise and are charged"
            )
        self.beat()
        self._charging, self._reached = True, last
        if _covered(self.account.blocks, attempt=self.attempt, first=first, last=last):
            return
        self._write({"kind": "charge", "attempt": self.attempt, "first": first, "last": last})

    def _write(self, record: dict) -> None:
        stamped = record | {"at": datetime.now(UTC).isoformat(timespec="seconds")}
        self._chain = append(self._path, stamped, key=self._key, chain=self._chain)
        self.account = _account(self._path, self._chain)


@contextmanager
def open_ledger(
    folder: Path,
    *,
    master: MasterSecret,
    run: Run,
    point: Point,
    machine: str | None,
    silent_minutes: float,
) -> Iterator[Ledger]:
    """Open the ledger of `run` in `folder` for this process alone, and make it when it is new.

    `machine` names what gives the same bits when a step is done again, None where nothing does. The last
    attempt goes on where that repeats it (`Account.replays`); else a new one begins, and its steps are
    charged anew. A line that a crash cut short is removed with a warning: its charge had not returned. Raises
    BusyError when another process holds it, PrivacyError when it was tampered with or is another run's.
    """
    path = _path(folder, run)
    key = master.derive("ledger")
    with lock(path.with_suffix(".lock"), silent_minutes=silent_minutes) as beat:
        chain = read_chain(path, key=key, head=_head(point.head))
        if chain.torn:
            log.warning("%s: removing %d bytes of a line that a crash cut short", path, chain.torn)
        ledger = Ledger(path, key=key, chain=chain, run=run, point=point, machine=machine, beat=beat)
        if not chain.records:
            ledger._write({"kind": "run", "format": FORMAT} | asdict(run))
        if ledger.account.run != run:
            raise PrivacyError(f"{path}: it is the ledger of another run, {ledger.account.run.name}")
        _register(Path(folder), run, key=key)
        if not ledger.replays:
            began = Attempt(machine, point.step, point.attempt)
            ledger._write({"kind": "attempt", "attempt": len(ledger.account.attempts)} | asdict(began))
        yield ledger


def read_accounts(folder: Path, *, master: MasterSecret) -> list[Account]:
    """Read and verify every ledger in `folder`, changing none.

    Raises PrivacyError naming one that is damaged, or that the register lists and that is not there.
    """
    key = master.derive("ledger")
    for record in read_chain(Path(folder) / REGISTER, key=key).records:
        path = Path(folder) / f"{record['identity']}.ledger"
        if not path.exists():
            raise PrivacyError(
                f"{path}, the ledger of {record['name']} on {record['cohort']}, is missing: charges were "
                "removed. Restore the file from a backup"
            )
    chains = [(path, read_chain(path, key=key)) for path in sorted(Path(folder).glob("*.ledger"))]
    return [_account(path, chain) for path, chain in chains if chain.records]


def running(folder: Path, *, silent_minutes: float) -> set[str]:
    """Return the identities of the runs in `folder` that a living process is charging."""
    locks = Path(folder).glob("*.lock")
    return {path.stem for path in locks if held(path, silent_minutes=silent_minutes)}


def _path(folder: Path, run: Run) -> Path:
    return Path(folder) / f"{run.identity}.ledger"


def _register(folder: Path, run: Run, *, key: bytes) -> None:
    """List a run in the register of its site, once; its ledger is on disk, and nothing charged to it yet."""
    path = folder / REGISTER
    with path.with_suffix(".guard").open("a") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)  # for the moment of one line
        chain = read_chain(path, key=key)
        if run.identity not in {record["identity"] for record in chain.records}:
            record = {"identity": run.identity, "name": run.name, "cohort": run.cohort}
            append(path, record, key=key, chain=chain)


def _head(head: Mapping[str, object] | None) -> Head | None:
    return None if head is None else Head(**head)


def _account(path: Path, chain: Chain) -> Account:
    """Make sense of a verified chain."""
    header, *rest = chain.records
    if header.get("format") != FORMAT:
        raise PrivacyError(
            f"{path}: written by another version ({header.get('format')}); read it with that one"
        )
    fields = {name: value for name, value in header.items() if name not in ("kind", "format", "at")}
    run = Run(**fields | {"patients": tuple((one, other) for one, other in header["patients"])})
    blocks = tuple((r["attempt"], r["first"], r["last"]) for r in rest if r["kind"] == "charge")
    attempts = tuple(
        Attempt(record["machine"], record["start"], record["origin"])
        for record in rest
        if record["kind"] == "attempt"
    )
    return Account(run, blocks, attempts, chain.head)


def _covered(blocks: tuple[tuple[int, int, int], ...], *, attempt: int, first: int, last: int) -> bool:
    """Whether all steps first..last-1 of an attempt were charged."""
    for _, start, stop in sorted(block for block in blocks if block[0] == attempt):
        if start <= first:
            first = max(first, stop)
    return first >= last
