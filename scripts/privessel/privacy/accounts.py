"""Reading the ledgers that `ledger` writes: what a site's runs have been charged, and which go on now."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from privessel.errors import PrivacyError
from privessel.files.lock import held
from privessel.privacy.account import Account, Attempt, Run
from privessel.privacy.chain import EMPTY, RESTORE, Chain
from privessel.privacy.keys import MasterSecret
from privessel.privacy.register import Books, Register
from privessel.privacy.seen import Seen

FORMAT = "privessel ledger 1"


def read_accounts(
    folder: Path, *, master: MasterSecret, anchor: Path | None = None, seen: Iterable[Seen] = ()
) -> list[Account]:
    """Read and verify every ledger in `folder`, changing none.

    `seen` is what files elsewhere have seen of the ledgers (`seen.read_seen`). Raises PrivacyError naming
    a ledger that is missing or damaged, one that has lost lines, and a file that has seen more than there is.
    """
    with Books(Path(folder), master.derive("ledger"), anchor).read() as register:
        return list_accounts(register, seen=seen)


def list_accounts(register: Register, *, seen: Iterable[Seen]) -> list[Account]:
    """Return `read_accounts` of the ledgers of a register that this process holds."""
    chains, path_of = register.read_ledgers(), register.books.ledger
    for one in seen:
        register.require(one.register, place=one.place)
        if one.head and not chains.get(one.identity, EMPTY).contains(one.head):
            raise PrivacyError(
                f"{path_of(one.identity)} is missing or lacks line {one.head.lines}, which "
                f"{one.place} refers to: charges were removed. {RESTORE}, or set privacy.state to the folder "
                "that the run was charged in"
            )
    return [
        replace(account_of(path_of(identity), chain), register=register.head.mac)
        for identity, chain in chains.items()
        if chain.records
    ]


def running(folder: Path, *, silent_minutes: float) -> set[str]:
    """Return the identities of the runs in `folder` that a living process is charging."""
    locks = Path(folder).glob("*.lock")
    return {path.stem for path in locks if held(path, silent_minutes=silent_minutes)}


def account_of(path: Path, chain: Chain) -> Account:
    """Return what the verified chain of the ledger at `path` says; PrivacyError for another version's."""
    header, *rest = chain.records
    if header.get("format") != FORMAT:
        raise PrivacyError(
            f"{path}: written by another version ({header.get('format')}); read it with that one"
        )
    fields = {name: value for name, value in header.items() if name not in ("kind", "format", "at")}
    run = Run(**fields | {"patients": tuple((one, other) for one, other in header["patients"])})
    blocks = tuple((r["attempt"], r["first"], r["last"]) for r in rest if r["kind"] == "charge")
    attempts = tuple(
        Attempt(record["machine"], record["start"], record["origin"], record.get("commitment"))
        for record in rest
        if record["kind"] == "attempt"
    )
    return Account(run, blocks, attempts, chain.head)
