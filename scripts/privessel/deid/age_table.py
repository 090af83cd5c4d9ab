"""The ages of a cohort's people, as far as its table gives them."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from privessel.errors import CohortError
from privessel.files.tsv import read_tsv

log = logging.getLogger(__name__)

FEWEST_PEOPLE = 5  # that an age network learns from
_MOST_YEARS = 120.0


def read_ages(table: Path, *, cohort: str) -> dict[str, float]:
    """Return the age of every person whose age the table of a cohort gives, by id without `sub-`.

    A person with `n/a`, nothing, or no age of a human being in the column `age` is left out with a warning,
    and a table without that column gives nobody's. Raises CohortError where the table cannot be read.
    """
    try:
        columns, rows = read_tsv(table)
    except ValueError as problem:
        raise CohortError(f"cohort {cohort}: {table} {problem}.") from problem
    if "age" not in columns:
        log.warning("cohort %s: %s has no column age, so nobody's age is known", cohort, table)
        return {}
    known = {row["participant_id"].removeprefix("sub-"): _read_age(row["age"]) for row in rows}
    without = [person for person, age in known.items() if age is None]
    if without:
        log.warning(
            "cohort %s: the age of %d of %d people is not known (%s%s); they take no part in what needs it",
            cohort, len(without), len(known), ", ".join(without[:5]), ", ..." * (len(without) > 5),
        )  # fmt: skip
    return {person: age for person, age in known.items() if age is not None}


def choose_aged(people: Sequence[str], ages: Mapping[str, float], *, cohort: str) -> list[int]:
    """Return the places of scans whose person's age is known; people: the person of each scan.

    Raises CohortError where fewer than FEWEST_PEOPLE are left.
    """
    chosen = [place for place, person in enumerate(people) if person in ages]
    count = len({people[place] for place in chosen})
    if count < FEWEST_PEOPLE:
        raise CohortError(
            f"cohort {cohort}: the age of {count} people is known, and an age network needs {FEWEST_PEOPLE}. "
            "Remedy: give the column age of deid.participants, in years, or leave the network out with "
            "deid.age.steps: 0"
        )
    return chosen


def _read_age(text: str) -> float | None:
    try:
        age = float(text)
    except ValueError:
        return None
    return age if 0 < age <= _MOST_YEARS else None
