"""Tab-separated tables as BIDS has them: every cell is text, and a quote is a letter like others.

Read by the rules of CSV, one quote that is never closed would swallow all lines after it. The Snakefile
imports this module, so it needs only the standard library. Source: BIDS specification, "Tabular files".
"""

import re
from pathlib import Path

from privessel.files.source import read_content

_LINE_END = re.compile("\r\n|\n|\r")  # str.splitlines would also cut at characters inside of a text
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_NO_TEXT = {
    b"PK": "a spreadsheet or archive",
    b"\x1f\x8b": "compressed with gzip",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet",
}
_SAVE_AS_TEXT = "Remedy: save it as text in UTF-8, columns separated by tabs"
_SHOWN = 5  # wrong lines that are listed


def read_tsv(path: str | Path) -> tuple[list[str], list[dict[str, str]]]:
    """Return the column names and, for each line below them, its cells by column.

    Cells and names are stripped of spaces around them, and never converted: `NA`, `001`, `True` stay what
    they are. Lines without text are skipped. Raises ValueError, in words that follow the file's name, with a
    remedy: for a file that cannot be read, for another encoding than UTF-8, for a name that is empty or
    occurs twice, and for lines of too few or too many cells.
    """
    lines = _LINE_END.split(_decode(read_content(Path(path))))
    if not lines[0].strip():
        raise ValueError("has no names of columns in its first line. Remedy: write them there")
    columns = [name.strip() for name in lines[0].split("\t")]
    _check_columns(columns)
    rows, wrong = [], []
    for number, line in enumerate(lines[1:], start=2):
        cells = [cell.strip() for cell in line.split("\t")]
        if not any(cells):
            continue
        if len(cells) != len(columns):
            wrong.append(f"line {number} has {len(cells)}")
        rows.append(dict(zip(columns, cells, strict=False)))
    if wrong:
        more = f" and {len(wrong) - _SHOWN} more lines" if len(wrong) > _SHOWN else ""
        raise ValueError(
            f"has {len(columns)} columns, but {', '.join(wrong[:_SHOWN])}{more}. Remedy: give every line as "
            "many cells as the first (n/a where nothing is known), and no tab or line break inside a cell"
        )
    return columns, rows


def _decode(content: bytes) -> str:
    if content.startswith(_UTF16):
        raise ValueError(f"is in UTF-16. {_SAVE_AS_TEXT}")
    for start, what in _NO_TEXT.items():
        if content.startswith(start):
            raise ValueError(f"is {what}, not a text. {_SAVE_AS_TEXT}")
    if b"\0" in content:
        raise ValueError(f"is not a text, or in UTF-16. {_SAVE_AS_TEXT}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = content.count(b"\n", 0, problem.start) + 1
        raise ValueError(
            f"is not in UTF-8 (line {line}); a spreadsheet may have saved it as Latin-1 or "
            f"Windows-1252. {_SAVE_AS_TEXT}"
        ) from problem


def _check_columns(columns: list[str]) -> None:
    empty = [str(number) for number, name in enumerate(columns, start=1) if not name]
    if empty:
        raise ValueError(
            f"has no name for column {', '.join(empty)}. Remedy: name it in the first line, or remove "
            "the tab there"
        )
    repeated = sorted({name for name in columns if columns.count(name) > 1})
    if repeated:
        raise ValueError(
            f"has the column {', '.join(repeated)} more than once. Remedy: keep one of each name"
        )
