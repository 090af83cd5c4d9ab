"""T1w scans of a cohort of your own: the people of its table, and the files that are there of each.

The Snakefile imports this module, so it needs only the standard library.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from privessel.errors import CohortError, raise_problems
from privessel.files.source import find_absence
from privessel.files.tsv import read_tsv
from privessel.study import names


@dataclass(frozen=True)
class HeadScan:
    """One T1w scan: whose, which session, and its files."""

    person: str
    session: str
    image: str
    brain: str

    @property
    def name(self) -> str:
        """The scan's name in paths."""
        return f"{self.person}_{self.session}"


def place_scan(root: str, image: str, brain: str, *, person: str, session: str) -> HeadScan:
    """Return a person's scan of a session, there or not; `image` and `brain` are templates below `root`."""
    given = {"patient": person, "session": session}
    return HeadScan(person, session, *(os.path.join(root, path.format(**given)) for path in (image, brain)))


def read_people(table: Path, cohort: str) -> list[str]:
    """Return the ids of a table's people; CohortError where it cannot be read or leaves open who they are."""
    try:
        columns, rows = read_tsv(table)
    except ValueError as problem:
        raise CohortError(f"cohort {cohort}: {table} {problem}.") from problem
    if "participant_id" not in columns:
        raise CohortError(
            f"cohort {cohort}: {table} has no column participant_id (found: {', '.join(columns)}). Remedy: "
            "add it; columns are separated by tabs and names stand without quotes."
        )
    people = [row["participant_id"].removeprefix("sub-") for row in rows]
    strange = [name for name in people if not re.fullmatch(names.PATIENT, name)]
    if strange:
        raise CohortError(
            f"cohort {cohort}: {table} has the id {strange[0]!r}, which cannot be a file's name. "
            "Remedy: use letters, digits, -, _ and dots, the first one a letter or digit."
        )
    repeated = sorted({name for name in people if people.count(name) > 1})
    if repeated or not people:
        what = f"lists {', '.join(repeated)} more than once" if repeated else "lists nobody"
        raise CohortError(f"cohort {cohort}: {table} {what}. Remedy: give each person one row.")
    return people


def find_scans(places: Sequence[Sequence[HeadScan]], cohort: str, *, masks: bool = True) -> list[HeadScan]:
    """Return the scans that are there of every person, of whom `places` has one scan a session.

    A session whose image has no entry in its folder is left out. masks: whether brain masks must be there,
    too; else a tool makes them. Raises CohortError for a person without any
    scan, for a scan without a mask, and for a file that is there by name but cannot be read.
    """
    # A link whose target is not here counts as there: a session must not be lost without a word.
    found = [scan for own in places for scan in own if os.path.lexists(scan.image)]
    without = [own[0] for own in places if not any(scan in found for scan in own)]
    if without:
        people = ", ".join(scan.person for scan in without[:5]) + " and others" * (len(without) > 5)
        raise CohortError(
            f"cohort {cohort}: no T1w scan of {people} was found; the first place is {without[0].image}. "
            "Remedy: correct deid.image and deid.sessions, or remove these people's rows."
        )
    missing = [scan.brain for scan in found if masks and not os.path.lexists(scan.brain)]
    if missing:
        raise CohortError(
            f"cohort {cohort}: scans without a brain mask: {len(missing)}, the first {missing[0]}. "
            "Remedy: correct deid.brain, or make the masks, or let a tool make them (deid.brain_tool)."
        )
    files = [path for scan in found for path in ([scan.image, scan.brain] if masks else [scan.image])]
    absent = {path: find_absence(Path(path)) for path in files}
    raise_problems(f"cohort {cohort}", [f"{path} {reason}" for path, reason in absent.items() if reason])
    return found
