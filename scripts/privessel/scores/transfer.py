"""Transfer learning's long table: how few patients of another cohort are enough, with and without a start."""

from pathlib import PurePath

import pandas as pd

FROM_SCRATCH = "scratch"
_FREE_KINDS = ("phantom", "baseline")  # of sources that cost no eps
_IDENTITY = ["kind", "level", "noise_multiplier", "eps", "eps_published", "unit"]
COLUMNS = ["start", *_IDENTITY, "patients", "draw", "cohort", "patient"]
COLUMNS += ["dsc", "hd95_voxel", "hd95_mm", "bahd_voxel", "empty"]


def origin(path: PurePath) -> dict[str, str | int]:
    """Start, number of patients, draw and cohort of a metrics file of transfer learning.

    >>> origin(PurePath("results/x/metrics/transfer/wgan/inf/run-1/epoch-5/patients-2/draw-3/b/b001.csv"))
    {'start': 'wgan/inf/run-1/epoch-5', 'patients': 2, 'draw': 3, 'cohort': 'b'}
    """
    parts = path.parts
    start = parts[parts.index("transfer") + 1 : -4]
    patients, draw = (int(part.rpartition("-")[2]) for part in parts[-4:-2])
    return {"start": "/".join(start), "patients": patients, "draw": draw, "cohort": parts[-2]}


def collect(tuned: pd.DataFrame, scores: pd.DataFrame, *, starts: list[str], cohort: str) -> pd.DataFrame:
    """Join the metrics of U-Nets trained on k patients with those of what was trained on none (k = 0).

    These are the starts as they were, and below them every source at eps = 0, never a start. `tuned` has the
    columns of a metrics file and those of `origin`; `scores` is the study's long table, which says what each
    source is, with its eps, and how it does on `cohort`. Kossen et al. 2021.
    """
    scores = scores[scores["cohort"] == cohort]
    free = list(dict.fromkeys(scores["source"][scores["kind"].isin(_FREE_KINDS)]))
    untuned = scores[scores["source"].isin([*starts, *free])]
    untuned = untuned.rename(columns={"source": "start"}).assign(patients=0, draw=0)
    known = untuned.drop_duplicates("start")[["start", *_IDENTITY]]
    table = pd.concat([untuned, tuned.merge(known, how="left", on="start")], ignore_index=True)
    table.loc[table["start"] == FROM_SCRATCH, "kind"] = FROM_SCRATCH
    order = {start: place for place, start in enumerate([FROM_SCRATCH, *starts, *free])}
    keys = {"start": lambda names: names.map(order)}
    for by in ("patient", "draw", "patients", "start"):
        table = table.sort_values(by, kind="stable", key=keys.get(by))
    return table.reindex(columns=COLUMNS).reset_index(drop=True)
