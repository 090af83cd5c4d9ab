"""A table of DSC whose numbers take long: each is kept once it is there, and an interrupted table goes on.

A row is one way to get a U-Net, scored once for every seed. Any benchmark can put rows of its own into a
table: `Row` says what to compute, `fill` computes what is missing, and a `Line` is what is printed.
"""

import csv
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import numpy as np

from privessel.files.atomic import atomic_path
from privessel.scores.formatting import format_eps

COLUMNS = ["row", "seed", "design", "dsc", "seconds", "more"]
UNITS = ("patient", "region", "patch")
FREE = dict.fromkeys(UNITS, 0.0)  # eps of what no patient had a part in


@dataclass(frozen=True)
class Score:
    """What one cell came to: a mean DSC, and other plain data that a line is made from."""

    dsc: float
    more: object = None


@dataclass(frozen=True)
class Row:
    """One way to get a U-Net; `score` computes a cell from its seed.

    `design` is a short text of all that decides the row's scores and may be changed between two commands.
    """

    name: str
    score: Callable[[int], Score]
    seeds: Sequence[int]
    design: str


@dataclass(frozen=True)
class Line:
    """A line of the table. `epsilon` of a patient, a region and a patch; infinite: no protection.

    `dsc` has one number for each seed; `remark` stands beside them.
    """

    name: str
    epsilon: Mapping[str, float]
    dsc: Sequence[float]
    remark: str = ""


class Cells:
    """The finished cells of a table, in a CSV file that is written anew, whole, after each."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._cells = self._read()

    def _read(self) -> dict[tuple[str, int], dict[str, str]]:
        if not self.path.exists():
            return {}
        with self.path.open(newline="", encoding="utf-8") as file:
            return {(cell["row"], int(cell["seed"])): cell for cell in csv.DictReader(file)}

    def score(self, row: Row, seed: int) -> Score | None:
        """Return the score of a cell, None where it is not there yet.

        Raises ValueError where the file has a score of another design of the row.
        """
        cell = self._cells.get((row.name, seed))
        if cell is None:
            return None
        if cell["design"] != row.design:
            raise ValueError(
                f"{self.path}: '{row.name}' was made with other settings: {cell['design']}, and not "
                f"{row.design}. Remedy: name another file for this table"
            )
        return Score(float(cell["dsc"]), json.loads(cell["more"]))

    def scores(self, row: Row) -> list[Score]:
        """Return the scores of a row that are there, by seed."""
        found = [self.score(row, seed) for seed in row.seeds]
        return [one for one in found if one]

    def keep(self, row: Row, seed: int, score: Score, *, seconds: float) -> None:
        """Keep one finished cell; it is on disk when this returns, beside what other commands have kept."""
        self._cells |= self._read()
        values = (row.name, seed, row.design, score.dsc, f"{seconds:.1f}", json.dumps(score.more))
        self._cells[row.name, seed] = dict(zip(COLUMNS, map(str, values), strict=True))
        with atomic_path(self.path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=COLUMNS)
            writer.writeheader()
            writer.writerows(self._cells.values())


def say(text: str) -> None:
    """Tell whoever waits how far it is; the table alone goes to the standard output."""
    print(text, file=sys.stderr, flush=True)


def missing(groups: Sequence[Sequence[Row]], cells: Cells) -> list[tuple[Row, int]]:
    """Return the cells that are not there yet, one group after the other.

    Within a group all rows come with their first seed, then with the next.
    """
    wanted = []
    for rows in groups:
        last = max((len(row.seeds) for row in rows), default=0)
        wanted += [(row, row.seeds[place]) for place in range(last) for row in rows if place < len(row.seeds)]
    return [(row, seed) for row, seed in wanted if cells.score(row, seed) is None]


def fill(groups: Sequence[Sequence[Row]], cells: Cells, *, until: float) -> None:
    """Compute and keep missing cells, but begin none after `until`, a time of `time.monotonic`.

    Of every cell it says the rate and the time that is left.
    """
    wanted = missing(groups, cells)
    began = time.monotonic()
    for done, (row, seed) in enumerate(wanted, 1):
        started = time.monotonic()
        if started >= until:
            say(f"{len(wanted) - done + 1} cells are left: the same command goes on with them")
            return
        score = row.score(seed)
        now = time.monotonic()
        cells.keep(row, seed, score, seconds=now - started)
        each, took = (now - began) / done, now - started
        left = timedelta(seconds=round(each * (len(wanted) - done)))
        say(
            f"{done} of {len(wanted)}: {row.name}, seed {seed}: DSC {score.dsc:.3f} in {took:.0f} s; "
            f"{60 / each:.2f} cells a minute, {left} left"
        )


def trained_lines(rows: Sequence[Row], cells: Cells) -> list[Line]:
    """Return the lines of the rows that have a score, with the `epsilon` and the `remark` beside their first.

    What has neither beside it costs no patient anything.
    """
    lines = []
    for row in rows:
        if scores := cells.scores(row):
            more = scores[0].more or {"epsilon": FREE, "remark": ""}
            lines.append(Line(row.name, more["epsilon"], [one.dsc for one in scores], more["remark"]))
    return lines


def tabulate(lines: Sequence[Line], *, reference: str) -> str:
    """Return the table; its last column is the share of the line named `reference`, if there is one."""
    whole = next((np.mean(line.dsc) for line in lines if line.name == reference), np.nan)
    told = ["| trained on | eps of a patient | of a region | of a patch | DSC | of real | each seed |"]
    told.append("|---|---|---|---|---|---|---|")
    for line in lines:
        mean, several = float(np.mean(line.dsc)), len(line.dsc) > 1
        spread = f" ± {np.std(line.dsc, ddof=1):.3f}" if several else ""
        share = f"{mean / whole:.2f}" if np.isfinite(whole) else ""
        each = ", ".join(f"{one:.3f}" for one in line.dsc)
        beside = "; ".join(part for part in (each, line.remark) if part)
        epsilon = [format_eps(line.epsilon[unit], infinity="none") for unit in UNITS]
        told.append(f"| {' | '.join([line.name, *epsilon, f'{mean:.3f}{spread}', share, beside])} |")
    return "\n".join(told)
