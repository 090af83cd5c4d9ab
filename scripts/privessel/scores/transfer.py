"""Transfer learning's long table: how few patients of another cohort are enough, with and without a start."""

from pathlib import PurePath

import pandas as pd

from privessel.study.names import FREE_KINDS, metrics_origin

FROM_SCRATCH = "scratch"
_IDENTITY = ["kind", "level", "noise_multiplier", "eps", "eps_published", "unit"]
COLUMNS = ["start", *_IDENTITY, "patients", "draw", "cohort", "patient"]
COLUMNS += ["dsc", "hd95_voxel", "hd95_mm", "bahd_voxel", "empty"]


def transfer_origin(path: PurePath) -> dict[str, str | int]:
    """Return start, number of patients, draw and cohort of an evaluation's table of transfer learning.

    >>> path = "x/metrics/transfer/wgan/inf/run-1/epoch-5/patients-2/draw-3/b.csv"
    >>> transfer_origin(PurePath(path))
    {'start': 'wgan/inf/run-1/epoch-5', 'patients': 2, 'draw': 3, 'cohort': 'b'}
    """
    origin = metrics_origin(path)
    start, _, patients = origin["source"].removeprefix("transfer/").rpartition("/patients-")
    draw = origin["setting"].removeprefix("draw-")
    return {"start": start, "patients": int(patients), "draw": int(draw), "cohort": origin["cohort"]}


def collect(tuned: pd.DataFrame, scores: pd.DataFrame, *, starts: list[str], cohort: str) -> pd.DataFrame:
    """Join the metrics of U-Nets trained on k patients with those of U-Nets trained on none (k = 0).

    The latter are the starts before any tuning and, below them, every source at eps = 0, which is never a
    start. `tuned` has the columns of a metrics file and those of `transfer_origin`; `scores` is the study's
    long table, which has the kind, the eps and the scores on `cohort` of each source. Kossen et al. 2021.
    """
    scores = scores[scores["cohort"] == cohort]
    free = list(dict.fromkeys(scores["source"][scores["kind"].isin(FREE_KINDS)]))
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
