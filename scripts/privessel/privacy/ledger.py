"""What each private run has spent, on disk before the noisy steps can influence anything that is saved.

There is one chained file for each run, `{identity}.ledger`, in the site's private state beside the master
secret. Its first line says who and what the run is. The other lines are *attempts* and *charges*.

An attempt is one start with fresh noise. Within an attempt every step has one noise, so a step that is
repeated after a kill is the same release again, and is charged once. That holds only where the repetition
computes the same bits: on the machine that the attempt began on (`device.replaying_machine`), from a state
that the attempt itself has made, and with its nonce (`privacy/nonce.py`). In all other cases the same noise
would cover another gradient, and the difference of the two results would show patients without any noise. So
a new attempt begins then, with noise of its own, and its steps are charged in addition.

The nonce is on disk before the attempt's line, and the attempt's line before its first draw. Whatever moment
a process is killed at, the next one either repeats the attempt bit by bit or begins another.
"""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from privessel.errors import PrivacyError
from privessel.files.lock import lock
from privessel.privacy.account import Account, Attempt, Point, Run
from privessel.privacy.accounts import FORMAT, account_of
from privessel.privacy.chain import EMPTY, Chain, Head, append, read_chain
from privessel.privacy.keys import MasterSecret, run_key
from privessel.privacy.nonce import commit, create_nonce, destroy_nonces, read_nonce
from privessel.privacy.register import Books

log = logging.getLogger(__name__)


class Ledger:
    """The open ledger of a run, made by `open_ledger`; steps are charged before their results are saved.

    `account` is what has been charged so far. `beat` tells other processes that this one is alive, and is to
    be called every few minutes. `replays` says whether steps that the last checkpoint has not seen are
    repeated as they were; else they are drawn and charged anew.
    """

    def __init__(
        self, books: Books, run: Run, *, chain: Chain, machine: str | None, beat: Callable[[], None]
    ) -> None:
        self._books, self._chain, self._machine = books, chain, machine
        self._path = books.ledger(run.identity)
        self.account = account_of(self._path, chain) if chain.records else Account(run, (), (), chain.head)
        self.beat = beat
        self.replays = False
        self._register = EMPTY  # the register as this process has last seen it
        self._nonce = b""
        self._charging, self._reached = False, self.account.reached  # where this process stands

    @property
    def attempt(self) -> int:
        """The number of the attempt that draws are made under, counted from 0."""
        return len(self.account.attempts) - 1

    @property
    def head(self) -> dict[str, object]:
        """The head of the ledger as plain JSON, for the checkpoint."""
        return asdict(self._chain.head)

    @property
    def register(self) -> str:
        """The mac of the register's last line, for the checkpoint."""
        return self.account.register

    def key(self, master: MasterSecret) -> bytes:
        """Return the key that the attempt's noise and samples are drawn from."""
        identity = self.account.run.identity
        return run_key(master, identity=identity, attempt=self.attempt, nonce=self._nonce)

    def charge(self, first: int, last: int) -> None:
        """Charge the critic steps first..last-1, counted from 0; it is on disk when this returns.

        A block that this attempt has charged already is a replay and writes nothing. Raises ValueError where
        steps before `first` were never charged; PrivacyError where steps are repeated that cannot be
        replayed, and where another process has taken the run over.
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

    def begin(self, point: Point, check: Callable[["Ledger"], object]) -> None:
        """Continue the last attempt from `point` where that repeats it, else begin a new attempt.

        `check` is called when `replays` is known. If it raises an error, the last attempt and its nonce are
        left as they were.
        """
        folder, identity = self._books.folder, self.account.run.identity
        if not self._chain.records:
            self._write({"kind": "run", "format": FORMAT} | asdict(self.account.run))
        nonce = None
        if self.account.attempts:
            commitment = self.account.attempts[-1].commitment
            nonce = read_nonce(folder, identity=identity, attempt=self.attempt, commitment=commitment)
        self.replays = nonce is not None and self.account.replays(point, self._machine)
        check(self)
        if not self.replays:
            number = self.attempt + 1
            # Where no machine repeats the same bits, nothing ever reads the nonce again.
            keep = self._machine is not None
            nonce = create_nonce(folder, identity=identity, attempt=number, keep=keep)
            commitment = commit(nonce, identity=identity, attempt=number)
            began = Attempt(self._machine, point.step, point.attempt, commitment)
            self._write({"kind": "attempt", "attempt": number} | asdict(began))
        self._nonce = nonce
        with self._books.write(after=self._register) as register:
            register.note_opening(identity, self._chain.head)
            self._keep(register.chain)
        destroy_nonces(folder, identity=identity, keep=self.attempt)

    def _write(self, record: dict) -> None:
        stamped = record | {"at": datetime.now(UTC).isoformat(timespec="seconds")}
        run = self.account.run
        names = {"name": run.name, "cohort": run.cohort} if record["kind"] == "run" else {}
        with self._books.write(after=self._register) as register:
            self._chain = append(self._path, stamped, key=self._books.key, chain=self._chain)
            register.note(run.identity, self._chain.head, **names)
            self._keep(register.chain)

    def _keep(self, register: Chain) -> None:
        self._register = register
        self.account = replace(account_of(self._path, self._chain), register=register.head.mac)


@contextmanager
def open_ledger(
    folder: Path,
    *,
    master: MasterSecret,
    run: Run,
    point: Point,
    machine: str | None,
    silent_minutes: float,
    anchor: Path | None = None,
    check: Callable[[Ledger], object] = lambda ledger: None,
) -> Iterator[Ledger]:
    """Open the ledger of `run` in `folder` for this process alone, and make it when it is new.

    `point` is where the run continues from. `machine` names what computes the same bits when a step is done
    again, None where nothing does. `anchor` is the site's anchor file, if it has one. The last attempt
    continues where that repeats it; else a new one begins, and its steps are charged in addition. `check` is
    called before that, and may refuse the opening (see `Ledger.begin`). A line that a crash cut short is
    removed with a warning: its charge had not returned.

    Raises BusyError when another process holds the ledger. Raises PrivacyError where a ledger or the register
    was tampered with, where they are older than the checkpoint or the anchor, and where the ledger is of
    another run.
    """
    books = Books(Path(folder), master.derive("ledger"), anchor)
    path = books.ledger(run.identity)
    with lock(path.with_suffix(".lock"), silent_minutes=silent_minutes) as beat:
        with books.write() as register:
            register.require(point.register, place=f"the checkpoint of {run.name}")
            register.adopt()
            chain = read_chain(path, key=books.key, head=_head(point.head))
            if chain.torn:
                log.warning("%s: removing %d bytes of a line that a crash cut short", path, chain.torn)
            ledger = Ledger(books, run, chain=chain, machine=machine, beat=beat)
            if not ledger.account.run.is_same(run):
                raise PrivacyError(f"{path}: it is the ledger of another run, {ledger.account.run.name}")
            if register.check(
                run.identity, chain
            ):  # a kill came between the ledger's line and the register's
                register.note(run.identity, chain.head, name=run.name, cohort=run.cohort)
            ledger._register = register.chain
        ledger.begin(point, check)
        yield ledger


def _head(head: Mapping[str, object] | None) -> Head | None:
    return None if head is None else Head(**head)


def _covered(blocks: tuple[tuple[int, int, int], ...], *, attempt: int, first: int, last: int) -> bool:
    """Whether all steps first..last-1 of an attempt were charged."""
    for _, start, stop in sorted(block for block in blocks if block[0] == attempt):
        if start <= first:
            first = max(first, stop)
    return first >= last
