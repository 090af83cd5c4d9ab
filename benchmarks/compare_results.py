"""What differs between the results of two checkouts of one study, before and after a change.

    python benchmarks/compare_results.py ../before/results/demo results/demo [--but frangi]

Files are compared by their bytes. Where these differ, a second look follows: of saved networks the
weights are compared and not the digests of code that are saved with them; of a CSV the columns and rows that
both have, without the rows of sources named by `--but`; of an npz its arrays. Exit status 1: some differ.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

KINDS = {".npz", ".csv", ".pt", ".gz", ".json", ".txt", ".png", ".pdf"}


def list_files(folder: Path) -> set[Path]:
    """Return the results below a folder, relative to it, hidden ones left out."""
    found = (path.relative_to(folder) for path in folder.rglob("*") if path.suffix in KINDS)
    return {path for path in found if not any(part.startswith(".") for part in path.parts)}


def compare(before: Path, after: Path, *, but: Iterable[str]) -> str:
    """Return `same bytes`, `same values` or `differs`."""
    if before.read_bytes() == after.read_bytes():
        return "same bytes"
    look = {".pt": _same_weights, ".csv": _same_rows, ".npz": _same_arrays}.get(before.suffix)
    return "same values" if look and look(before, after, but=set(but)) else "differs"


def _same_weights(before: Path, after: Path, *, but: set[str]) -> bool:
    one, other = (torch.load(path, weights_only=True)["weights"] for path in (before, after))
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def _same_rows(before: Path, after: Path, *, but: set[str]) -> bool:
    one, other = (pd.read_csv(path, dtype=str, keep_default_na=False) for path in (before, after))
    one, other = (_without(table, but) for table in (one, other))
    shared = [column for column in one.columns if column in other.columns]
    keys = {tuple(row) for row in other[shared].to_numpy()}
    return bool(shared) and all(tuple(row) in keys for row in one[shared].to_numpy())


def _without(table: pd.DataFrame, but: set[str]) -> pd.DataFrame:
    named = [column for column in ("source", "start", "model", "one", "other") if column in table]
    out = table[named].isin(but).any(axis=1) if named else pd.Series(False, index=table.index)
    return table[~out]


def _same_arrays(before: Path, after: Path, *, but: set[str]) -> bool:
    with np.load(before) as one, np.load(after) as other:
        return set(one.files) == set(other.files) and all(
            np.array_equal(one[name], other[name], equal_nan=one[name].dtype.kind == "f")
            for name in one.files
        )


def main() -> int:
    """Print a table of kinds of files, and every file that differs; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--but", nargs="*", default=[], help="sources that were meant to change")
    asked = parser.parse_args()
    before, after = list_files(asked.before), list_files(asked.after)
    verdicts = {
        path: compare(asked.before / path, asked.after / path, but=asked.but)
        for path in sorted(before & after)
        if not set(path.parts) & set(asked.but) and path.stem not in asked.but
    }
    counts = Counter((f"{path.parts[0]} {path.suffix}", verdict) for path, verdict in verdicts.items())
    for kind in sorted({kind for kind, _ in counts}):
        row = ", ".join(
            f"{counts[kind, verdict]} {verdict}" for verdict in ("same bytes", "same values", "differs")
        )
        print(f"{kind:<24} {row}")
    print(f"only before: {len(before - after)}; only after: {len(after - before)}")
    differing = [path for path, verdict in verdicts.items() if verdict == "differs"]
    for path in differing:
        print(f"differs: {path}")
    return 1 if differing or before - after else 0


if __name__ == "__main__":
    sys.exit(main())
