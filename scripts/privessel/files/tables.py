"""Tables that the workflow writes, row by row, and reads again: names as text, numbers as numbers."""

import csv
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from privessel.files.atomic import atomic_path
from privessel.files.reading import read_text, reading

TEXT_COLUMNS = (
    "source",
    "kind",
    "level",
    "unit",
    "setting",
    "cohort",
    "patient",
    "identity",
    "method",
    "person",
    "session",
)
# What stands for no number; in a column of texts these are words like others, and only an empty cell is none.
_NO_NUMBER = ("", "NA", "NaN", "nan")


def read_table(path: str | Path, *, columns: Collection[str] = ()) -> pd.DataFrame:
    """Read a table that the workflow has written: patient 007 does not become 7, nor patient NA nobody.

    Columns of TEXT_COLUMNS are text, NaN where a cell is empty; the others are numbers where all cells are.
    Raises DamagedError where the end of the file is missing or it lacks one of `columns`.
    """
    with reading(path):
        text = read_text(path)
        names = next(csv.reader(io.StringIO(text)))
        table = pd.read_csv(
            io.StringIO(text),
            dtype=dict.fromkeys(TEXT_COLUMNS, str),
            keep_default_na=False,
            na_values={name: [""] if name in TEXT_COLUMNS else _NO_NUMBER for name in names},
        )
        missing = set(columns) - set(table.columns)
        if missing:
            raise ValueError(f"it lacks the columns {', '.join(sorted(missing))}")
    return table


def write_rows(path: Path, rows: Iterable[Mapping[str, object]], *, columns: Sequence[str]) -> None:
    """Write rows, each a value by column, as CSV under a heading of `columns`: whole or not at all."""
    with atomic_path(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def as_text(column: pd.Series) -> pd.Series:
    """Return a column as text, `""` for NaN; read without types, a CSV has NaN for empty names."""
    return column.astype(object).where(column.notna(), "").astype(str)
