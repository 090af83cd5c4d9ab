"""The register of a site: how far every ledger has come, so that no ledger can lose its last lines unseen.

One chained file, `runs.register`, beside the ledgers. It has a line for every ledger that was begun, for
every line that a ledger gained since, with the ledger's new head, and for every time that a run was opened.
A ledger that is shorter than the register says has lost charges.

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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from privessel.errors import PrivacyError
from privessel.files.reading import read_json
from privessel.privacy.anchor import append_anchor, read_anchor
from privessel.privacy.chain import EMPTY, RESTORE, Chain, Head, append, read_chain

log = logging.getLogger(__name__)

REGISTER = "runs.register"
OLDER_COPY = (
    "This privacy.state is an older copy, has lost lines, or is one of two copies that went on separately. "
    f"{RESTORE}; if there is none, name a new privacy.state and count by hand what the lost one had spent "
    "(docs/privacy.md, 'When copies of the ledgers disagree')"
)


@dataclass(frozen=True)
class Seen:
    """What a file outside `privacy.state` has seen of the ledgers: a head of the register, one of a ledger.

    `place` names the file for messages. Either head may be missing: older versions wrote none.
    """

    place: str
    register: str = ""  # the mac of the register's last line at that moment
    identity: str = ""
    head: Head | None = None  # of the ledger of run `identity`


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
        self._books = books
        self._path = books.folder / REGISTER
        self.chain = read_chain(self._path, key=books.key, after=after)
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
        found: dict[str, dict] = {}
        for record in self.chain.records:
            if "identity" in record:
                found[record["identity"]] = found.get(record["identity"], {}) | record
        return found

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
        path, known = self._books.ledger(identity), self.runs().get(identity)
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
            if not self._books.ledger(identity).exists():
                raise PrivacyError(
                    f"{self._books.ledger(identity)}, the ledger of {known['name']} on {known['cohort']}, is "
                    f"missing: charges were removed. {RESTORE}"
                )
        chains = {}
        for path in sorted(self._books.folder.glob("*.ledger")):
            chains[path.stem] = read_chain(path, key=self._books.key)
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

    def write_anchor(self) -> None:
        """Append the head of the register to the site's anchor file, where it has one."""
        if self._books.anchor and self.head.lines:
            append_anchor(self._books.anchor, self.head)

    def _add(self, record: dict) -> None:
        stamped = record | {"at": datetime.now(UTC).isoformat(timespec="seconds")}
        if self._books.anchor and not self._anchored:
            stamped["anchored"] = True  # from now on a missing anchor is noticed
        self.chain = append(self._path, stamped, key=self._books.key, chain=self.chain)
        self.write_anchor()

    @property
    def _anchored(self) -> bool:
        return any(record.get("anchored") for record in self.chain.records)

    def _check_anchor(self) -> None:
        """Compare the register with the anchor file."""
        path = self._books.anchor
        heads = read_anchor(path) if path else None
        if heads is None and self._anchored:
            what = f"{path} is missing" if path else "is not set"
            raise PrivacyError(
                f"privacy.anchor {what}, but this register was anchored before. Remedy: restore the anchor "
                "file, or set the key to where it lies; where it is lost for good, make it anew with the "
                "newest head that you know (docs/privacy.md, 'When copies of the ledgers disagree')"
            )
        for head in heads or []:
            self.require(head.mac, place=f"the anchor {path}")


def read_seen(results: Path) -> list[Seen]:
    """Return what the runs and releases of a study have seen of the ledgers, from every privacy.json there.

    `results` is the study's folder of results. Of a finished run whose privacy.json is gone the kept copy is
    read. Raises DamagedError for a file that cannot be read.
    """
    folders = [folder for series in ("gan", "audit") for folder in results.glob(f"{series}/*/*/run-*")]
    places = [(folder / "privacy.json", folder / ".finished" / "privacy.json") for folder in sorted(folders)]
    found = [next((path for path in pair if path.exists()), None) for pair in places]
    seen = [_read_run(path) for path in found if path]
    for path in sorted(results.glob("release/*/privacy.json")):
        seen.append(Seen(str(path), register=read_json(path, keys=()).get("register") or ""))
    return [one for one in seen if one]


def _read_run(path: Path) -> Seen | None:
    """Return what a run has seen; None for one that is charged to nobody."""
    ledger = read_json(path, keys=()).get("ledger")
    if not ledger:
        return None
    head = Head(ledger["lines"], ledger["mac"])
    return Seen(str(path), ledger.get("register", ""), ledger["identity"], head)
