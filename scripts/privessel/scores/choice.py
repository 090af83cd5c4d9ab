"""Which models and which patient the pictures show."""

import pandas as pd

from privessel.scores.tally import IDENTITY, choose_private, column_of_unit, order_levels, tally
from privessel.study.names import FREE_KINDS, PRIVATE_GAN, REAL


def choose_levels(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the best run by validation DSC of every level and kept epoch: a row each, by falling eps."""
    rows = order_levels(tally(scores))
    chosen = rows[rows["best"]].drop_duplicates("source")[IDENTITY]
    return chosen.sort_values(column_of_unit(rows), ascending=False, kind="stable").reset_index(drop=True)


def choose_lowest(scores: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return the `count` private levels of lowest eps, or as many as there are, as `choose_levels` does."""
    levels = choose_levels(scores)
    return levels[levels["kind"] == PRIVATE_GAN].tail(count).reset_index(drop=True)


def choose_references(scores: pd.DataFrame) -> pd.DataFrame:
    """Return real patches and the best source at eps = 0 by validation DSC, named in the column `level`."""
    sources = scores.drop_duplicates("source")[IDENTITY]
    free = sources[sources["kind"].isin(FREE_KINDS)]
    free = free.sort_values("validation_dsc", ascending=False, kind="stable")
    real = sources[sources["kind"] == REAL].assign(level="real")
    return pd.concat([real, free.head(1).assign(level=free["source"] + " (ε = 0)")], ignore_index=True)


def add_scores(chosen: pd.DataFrame, scores: pd.DataFrame, *, cohort: str, patient: str) -> pd.DataFrame:
    """Add one patient's DSC and bAHD (voxels) to chosen sources; NaN for a source without a result."""
    results = scores[(scores["cohort"] == cohort) & (scores["patient"] == patient)]
    return chosen.merge(results[["source", "dsc", "bahd_voxel"]], on="source", how="left")


def choose_best_private(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the private run with the best validation DSC as one row; no row where no level is private."""
    source = choose_private(tally(scores))
    return scores[scores["source"] == source].drop_duplicates("source")[IDENTITY].reset_index(drop=True)


def choose_patient(scores: pd.DataFrame, *, cohort: str) -> str:
    """Return the test patient of `cohort` whose DSC with real patches is the median (the lower of two)."""
    rows = scores[(scores["kind"] == REAL) & (scores["cohort"] == cohort)].sort_values(["dsc", "patient"])
    return str(rows["patient"].iloc[(len(rows) - 1) // 2])
