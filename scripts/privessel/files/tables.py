"""Reading of tables that the workflow has written: names as text, numbers as numbers."""

import io
from collections.abc import Collection
from pathlib import Path

import pandas as pd

from privessel.files.reading import read_text, reading

TEXT_COLUMNS = ("source", "kind", "level", "unit", "setting", "cohort", "patient")


def read_table(path: str | Path, *, columns: Collection[str] = ()) -> pd.DataFrame:
    """Read a table that the workflow has written; patient 007 does not become 7, nor level `inf` a number.

    Raises DamagedError where the end of the file is missing or it lacks one of `columns`.
    """
    with reading(path):
        table = pd.read_csv(io.StringIO(read_text(path)), dtype=dict.fromkeys(TEXT_COLUMNS, str))
        missing = set(columns) - set(table.columns)
        if missing:
            raise ValueError(f"it lacks the columns {', '.join(sorted(missing))}")
    return table


def as_text(column: pd.Series) -> pd.Series:
    """Return a column as text, `""` for NaN; read without types, a CSV has NaN for empty names."""
    return column.astype(object).where(column.notna(), "").astype(str)
