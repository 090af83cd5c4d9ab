"""The register of a site: how far every ledger has come, so that no ledger can lose its last lines unseen.

One chained file, `runs.register`, beside the ledgers. It has a line for every ledger that was begun, for
every line that a ledger gained since, with the ledger's new head, for every time that a run was opened, and
for every model that was trained on patients without noise, which has no ledger. A ledger that is shorter than
the register says has lost charges.

The register in turn could lose its last lines together with those of the ledgers. So its own head (the mac of
its last line) is written down wherever a run leaves something: in each checkpoint, in each `privacy.json`, in
each release, and in the anchor file where the site has one (`privacy/anchor.py`). A register that does not
contain such a mac is an older copy, or one of two copies that went on separately. Lines for openings hold a
random number, so that two copies differ as soon as either is used.

Both files change only while the lock of the register is held. A ledger's line is written first, then the
register's. A process that is killed in between leaves a ledger that is one line ahead. That is allowed, and
the next opening of that run adds the missing line.
"""

import fcntl
import logging
import secrets
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from privessel.errors import PrivacyError
from privessel.privacy.anchor import append_anchor, read_anchor
from privessel.privacy.chain import EMPTY, RESTORE, Chain, Head, append, read_chain

log = logging.getLogger(__name__)

REGISTER = "runs.register"
OLDER_COPY = (
    "This privacy.state is an older copy, has lost lines, or is one of two copies that went on separately. "
    f"{RESTORE}; if it is lost, name a new privacy.state and a new study, and count by hand what the lost "
    "one had spent (docs/privacy.md, 'When copies of the ledgers disagree')"
)


@dataclass(frozen=True)
class Books:
    """The books of a site: the folder of its ledgers, the key of their chains, and its anchor file if any."""

    folder: Path
    key: bytes = field(repr=False)
    anchor: Path | None = None

    def ledger(self, identity: str) -> Path:
        """Return the path of a run's ledger."""
        return self.folder / f"{identity}.ledger"

    @contextmanager
    def write(self, *, after: Chain = EMPTY) -> Iterator["Register"]:
        """Hold the register for the moment of a change to it or to a ledger.

        `after` is what this process has verified of the register before. Raises PrivacyError where the
        register was tampered with or does not contain what the anchor has seen.
        """
        path = (self.folder / REGISTER).with_suffix(".guard")
        with path.open("a") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            yield Register(self, after=after)

    @contextmanager
    def read(self) -> Iterator["Register"]:
        """Hold the register while it and the ledgers are read, so that no other process changes them."""
        path = (self.folder / REGISTER).with_suffix(".guard")
        if not path.exists():  # nothing was ever written here
            yield Register(self, after=EMPTY)
            return
        with path.open() as guard:
            fcntl.flock(guard, fcntl.LOCK_SH)
            yield Register(self, after=EMPTY)


class Register:
    """The register while it is held by this process, made by `Books.write` and `Books.read`."""

    def __init__(self, books: Books, *, after: Chain) -> None:
        self.books = books
        self._path = books.folder / REGISTER
        self.chain = read_chain(self._path, key=books.key, after=after)
        self._runs: dict[str, dict] | None = None
        if not after.macs:
            self._check_anchor()

    @property
    def head(self) -> Head:
        """The head of the register; its number of lines only ever grows."""
        return self.chain.head

    def runs(self) -> dict[str, dict]:
        """Return what is known of every listed run, by identity: `name`, `cohort`, `lines` and `mac`.

        A run that only older versions have listed has no `lines` and `mac`.
        """
        if self._runs is None:
            self._runs = {}
            for record in self.chain.records:
                if "model" in record:
                    continue  # a model without noise has no ledger
                self._runs.setdefault(record["identity"], {}).update(record)
        return self._runs

    def require(self, mac: str | None, *, place: str) -> None:
        """Raise PrivacyError where the register does not contain a line that `place` has seen.

        Nothing is required where `mac` is empty or None: older versions wrote none down.
        """
        if mac and mac not in self.chain.macs:
            raise PrivacyError(f"{self._path} lacks a line that {place} has seen. {OLDER_COPY}")

    def check(self, identity: str, chain: Chain) -> bool:
        """Compare a ledger with the register; return whether the ledger is one line ahead.

        Raises PrivacyError where the ledger has lost lines, and where the register has.
        """
        path, known = self.books.ledger(identity), self.runs().get(identity)
        if known is None:
            lines = 0
        elif "lines" not in known:  # listed by an older version, which wrote no heads
            return False
        else:
            lines = known["lines"]
            if not chain.contains(Head(lines, known["mac"])):
                raise PrivacyError(
                    f"{path}, the ledger of {known['name']} on {known['cohort']}: line {lines}, which the "
                    f"register lists, is missing or another one: charges were removed. {RESTORE}"
                )
        if len(chain.macs) > lines + 1:
            raise PrivacyError(
                f"{path} has {len(chain.macs)} lines, of which {self._path} lists {lines}: lines of the "
                f"register were removed. {RESTORE}"
            )
        return len(chain.macs) > lines

    def read_ledgers(self) -> dict[str, Chain]:
        """Return all ledgers by identity, each verified and compared with the register.

        Raises PrivacyError naming one that is missing or damaged, or has lost lines.
        """
        for identity, known in self.runs().items():
            if not self.books.ledger(identity).exists():
                raise PrivacyError(
                    f"{self.books.ledger(identity)}, the ledger of {known['name']} on {known['cohort']}, is "
                    f"missing: charges were removed. {RESTORE}"
                )
        chains = {}
        for path in sorted(self.books.folder.glob("*.ledger")):
            chains[path.stem] = read_chain(path, key=self.books.key)
            self.check(path.stem, chains[path.stem])
        return chains

    def note(self, identity: str, head: Head, **more: object) -> None:
        """Add a line: how far a run's ledger has come now. It is on disk, and anchored, when this returns."""
        self._add({"identity": identity} | asdict(head) | more)

    def note_opening(self, identity: str, head: Head) -> None:
        """Add a line for the opening of a run; no two copies of a register have the same one."""
        self.note(identity, head, opened=secrets.token_hex(16))

    def adopt(self) -> None:
        """Note the heads of ledgers that only older versions have listed; their ends were not recorded."""
        old = [identity for identity, known in self.runs().items() if "lines" not in known]
        if not old:
            return
        chains = self.read_ledgers()
        for identity in old:
            self.note(identity, chains[identity].head, adopted=True)
        log.warning(
            "%s: %d ledgers of an older version are listed with their present ends from now on. Whether "
            "lines had been removed from their ends before, nobody can tell", self._path, len(old),
        )  # fmt: skip

    def note_model(self, *, name: str, cohort: str, patients: Collection[tuple[str, str]]) -> None:
        """Add a line for a model without noise that is to be trained on patients, unless it has one.

        `patients` are the keyed digests of each patient's id and voxels.
        """
        record = {"model": name, "cohort": cohort, "patients": [list(pair) for pair in patients]}
        if not any(record.items() <= line.items() for line in self.chain.records):
            self._add(record)

    def models(self) -> list[dict]:
        """Return what `note_model` has noted, in its order."""
        return [record for record in self.chain.records if "model" in record]

    def note_outputs(self, identity: str, outputs: Mapping[str, str]) -> None:
        """Add a line: the digests of the files that a run ends with, by name.

        They are chained as charges are, so whoever has not the key cannot put other files in their place.
        """
        known = self.runs()[identity]
        self.note(identity, Head(known["lines"], known["mac"]), outputs=dict(outputs))

    def outputs(self) -> dict[str, list[dict[str, str]]]:
        """Return what `note_outputs` has noted of each run, by identity; nothing of those of older versions.

        A run has several where it was made in several studies: each time with noise of its own.
        """
        found: dict[str, list[dict[str, str]]] = {}
        for record in self.chain.records:
            if "outputs" in record:
                found.setdefault(record["identity"], []).append(record["outputs"])
        return found

    def write_anchor(self) -> None:
        """Append the head of the register to the site's anchor file, where it has one."""
        if self.books.anchor and self.head.lines:
            append_anchor(self.books.anchor, self.head)

    def _add(self, record: dict) -> None:
        stamped = record | {"at": datetime.now(UTC).isoformat(timespec="seconds")}
        if self.books.anchor and not self._anchored:
            stamped["anchored"] = True  # from now on a missing anchor is noticed
        self.chain, self._runs = append(self._path, stamped, key=self.books.key, chain=self.chain), None
        self.write_anchor()

    @property
    def _anchored(self) -> bool:
        return any(record.get("anchored") for record in self.chain.records)

    def _check_anchor(self) -> None:
        """Compare the register with the anchor file, which may be one line behind and no more.

        Each line of the register is anchored at once, so a process that was killed leaves one out at most.
        """
        path = self.books.anchor
        heads = read_anchor(path) if path else None
        began = next((k for k, record in enumerate(self.chain.records) if record.get("anchored")), None)
        if began is not None and self.head.lines - (heads[-1].lines if heads else began) > 1:
            what = "is not set"
            if path:
                what = f"{path} is missing" if heads is None else f"{path} has lost its last lines"
            raise PrivacyError(
                f"privacy.anchor {what}, but this register was anchored before. Remedy: restore the anchor "
                "file, or set the key to where it lies; where it is lost for good, make it anew with the "
                "newest head that you know (docs/privacy.md, 'When copies of the ledgers disagree')"
            )
        known = frozenset(self.chain.macs)
        for head in heads or []:
            if head.mac not in known:
                self.require(head.mac, place=f"the anchor {path}")
