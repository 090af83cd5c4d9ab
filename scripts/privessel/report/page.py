"""The report of a study: one HTML page that needs nothing beside it and asks nothing of any network."""

import base64
import html
import re
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from docutils.core import publish_parts
from markupsafe import Markup

from privessel.files.tables import read_table
from privessel.report.template import fill

_CAPTIONS = {
    "raw_enabled": False,
    "file_insertion_enabled": False,
    "report_level": 5,
    "smart_quotes": False,
}
_PICTURE_SCALE = 0.4  # CSS pixels per pixel of a figure at 300 dpi: a quarter larger than printed
_DIGITS = 4
_STATEMENTS = ["patient_statement", "region_statement", "patch_statement"]


def render(
    *,
    study: str,
    overview: Mapping,
    figures: Sequence[tuple[str, str, Path, Path]],
    tables: Sequence[tuple[str, Path]],
    plan: Path,
    provenance: Mapping,
) -> str:
    """Return the report as HTML; the same inputs give the same text.

    overview: `public` (all cohorts are nobody's scans), `scale` (a sentence, or empty), `summary` (the
    closing words of the run), `facts` (name -> value), `cohorts` (mappings of name, role, train, validation,
    test).
    figures: name, title, PNG and caption (reStructuredText) in the order of the page. tables: title and CSV,
    sortable and with a filter. plan: plan.csv, a row a level. provenance: `software`, `commit` (or None),
    `packages` (name -> version), `config` (YAML), `digests` (path -> SHA-256) and `durations`, a frame of
    `provenance.DURATIONS`.
    """
    levels = read_table(plan)
    statements = levels.dropna(subset=["epsilon"])[["level", *_STATEMENTS]].to_dict("records")
    listed = [
        {"id": f"table-{k}", "title": title, "file": Path(path).name} | lay_out(read_table(path))
        for k, (title, path) in enumerate(tables, start=1)
    ]
    return fill(
        "page.html.j2",
        study=study,
        overview=overview,
        plan={"id": "plan-levels", "title": "Plan"} | lay_out(levels.drop(columns=_STATEMENTS)),
        statements=statements,
        figures=[_figure(*figure) for figure in figures],
        tables=listed,
        provenance=dict(provenance) | {"durations": _format_durations(provenance["durations"])},
    )


def lay_out(frame: pd.DataFrame) -> dict[str, list]:
    """Return a table's `heads`, its `rows` as text, and `numeric`: which columns, from 1, are numbers.

    Numbers have four significant digits, infinity is `inf`, what is missing is empty. Columns without a
    single value are left out.
    """
    frame = frame.dropna(axis="columns", how="all") if len(frame) else frame
    columns = [_format_column(frame[name]) for name in frame]
    numeric = [k for k, name in enumerate(frame, start=1) if _is_number(frame[name])]
    return {"heads": list(frame), "rows": list(zip(*columns, strict=True)), "numeric": numeric}


def render_caption(text: str) -> Markup:
    """Return reStructuredText as HTML; it can neither include a file nor carry HTML of its own."""
    parts = publish_parts(text, writer="html5", settings_overrides=_CAPTIONS)
    return Markup(parts["body"])  # docutils has escaped it


def _figure(name: str, title: str, picture: Path, caption: Path) -> dict[str, object]:
    data = Path(picture).read_bytes()
    width, height = struct.unpack(">II", data[16:24])  # a PNG's first chunk
    body = render_caption(Path(caption).read_text(encoding="utf-8"))
    said = re.search(r"<strong>(.*?)</strong>", body, re.DOTALL)
    words = html.unescape(re.sub(r"<[^>]+>", "", said[1])).split() if said else []
    return {
        "name": name,
        "title": title,
        "caption": body,
        "alt": " ".join([f"{title}:", *words]) if words else title,
        "data": base64.b64encode(data).decode("ascii"),
        "width": round(width * _PICTURE_SCALE),
        "height": round(height * _PICTURE_SCALE),
    }


def _format_column(column: pd.Series) -> list[str]:
    if not _is_number(column):
        return ["" if pd.isna(value) else str(value) for value in column]
    values = column.to_numpy(float)
    if np.isnan(values).all() or (values == np.round(values))[~np.isnan(values)].all():
        return ["" if np.isnan(value) else f"{value:.0f}" for value in values]
    return ["" if np.isnan(value) else f"{value:.{_DIGITS}g}" for value in values]


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _format_durations(durations: pd.DataFrame) -> list[dict[str, str]]:
    return [
        {"step": str(row.step), "jobs": f"{row.jobs:,}", "seconds": _clock(row.seconds)}
        | {
            "longest": _clock(row.longest),
            "memory": "" if pd.isna(row.memory_mb) else f"{row.memory_mb:,.0f}",
        }
        for row in durations.itertuples()
    ]


def _clock(seconds: float) -> str:
    """Return a duration as hours, minutes and seconds.

    >>> _clock(3723.4)
    '1:02:03'
    """
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"
