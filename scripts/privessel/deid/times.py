"""How long each step took and how much memory it had, from the files that Snakemake measures jobs into."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from privessel.files.reading import read_text, reading


def tabulate_times(steps: Sequence[Mapping[str, str]]) -> pd.DataFrame:
    """Return a row for each step and what it worked on: how many jobs, their seconds, and the most MB.

    steps: `step`, `of` (a cohort or method) and `path` of each job's benchmark file. Times are of the machine
    and its load at that moment; memory is the largest resident set, and NaN where Snakemake saw none because
    the job was too short. Raises DamagedError for a file that is no such measurement.
    """
    rows = [{"step": one["step"], "of": one["of"], **_read(Path(one["path"]))} for one in steps]
    groups = pd.DataFrame(rows, columns=["step", "of", "seconds", "mb"]).groupby(["step", "of"], sort=False)
    return groups.agg(
        jobs=("seconds", "size"),
        seconds_mean=("seconds", "mean"),
        seconds_most=("seconds", "max"),
        seconds_all=("seconds", "sum"),
        mb_most=("mb", "max"),
    ).reset_index()


def _read(path: Path) -> dict[str, float]:
    with reading(path):
        names, cells, *_ = (line.split("\t") for line in read_text(path).splitlines())
        row = dict(zip(names, cells, strict=True))
        memory = pd.to_numeric(row["max_rss"], errors="coerce")
        return {"seconds": float(row["s"]), "mb": float(memory)}
