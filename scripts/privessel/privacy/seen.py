"""What files outside `privacy.state` have seen of the ledgers, so that lines lost since then are missed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from privessel.files.reading import read_json
from privessel.privacy.chain import Head

# The folders of all kinds of runs that patients are charged for, in a study's folder of results.
RUNS = ("gan/*/*/run-*", "audit/*/*/run-*", "vote/*/run-*", "private-unet/*/run-*", "deid/draws/*/*/*/run-*")


@dataclass(frozen=True)
class Seen:
    """What a file outside `privacy.state` has seen of the ledgers: a head of the register, one of a ledger.

    `place` names the file for messages. Either head may be missing: older versions wrote none.
    """

    place: str
    register: str = ""  # the mac of the register's last line at that moment
    identity: str = ""
    head: Head | None = None  # of the ledger of run `identity`


def read_seen(results: Path) -> list[Seen]:
    """Return what the runs and releases of a study have seen of the ledgers, from every privacy.json there.

    `results` is the study's folder of results. Of a finished run both privacy.json and its kept copy are
    read. Raises DamagedError for a file that cannot be read.
    """
    folders = [folder for pattern in RUNS for folder in results.glob(pattern)]
    places = [(folder / "privacy.json", folder / ".finished" / "privacy.json") for folder in sorted(folders)]
    found = [path for pair in places for path in pair if path.exists()]
    seen = [seen_of(read_json(path, keys=()), place=str(path)) for path in found]
    for path in sorted(results.glob("release/*/privacy.json")):
        seen.append(Seen(str(path), register=read_json(path, keys=()).get("register") or ""))
    return [one for one in seen if one]


def seen_of(record: Mapping, *, place: str) -> Seen | None:
    """Return what a run has seen, by its privacy.json; None for one that is charged to nobody."""
    ledger = record.get("ledger")
    if not ledger:
        return None
    head = Head(ledger["lines"], ledger["mac"])
    return Seen(place, ledger.get("register", ""), ledger["identity"], head)
