"""Which models and which patient the pictures show."""

import pandas as pd

from privessel.scores.tally import FREE, IDENTITY, choose_private, order_levels, tally


def choose_levels(scores: pd.DataFrame) -> pd.DataFrame:
    """Give every level's (and kept epoch's) best run by validation DSC: one row each, by falling eps."""
    rows = order_levels(tally(scores))
    chosen = rows[rows["best"]].drop_duplicates("source")[IDENTITY]
    return chosen.sort_values("eps", ascending=False, kind="stable").reset_index(drop=True)


def choose_lowest(scores: pd.DataFrame, count: int) -> pd.DataFrame:
    """Give the `count` private levels of lowest eps as `choose_levels` does; fewer, or none, if there are."""
    levels = choose_levels(scores)
    return levels[levels["kind"] == "private"].tail(count).reset_index(drop=True)


def choose_references(scores: pd.DataFrame) -> pd.DataFrame:
    """Give real patches and the best of what needs no eps (by validation DSC), named in column `level`."""
    sources = scores.drop_duplicates("source")[IDENTITY]
    free = sources[sources["source"].isin(FREE)].sort_values("validation_dsc", ascending=False, kind="stable")
    real = sources[sources["source"] == "real"].assign(level="real")
    return pd.concat([real, free.head(1).assign(level=free["source"] + " (ε = 0)")], ignore_index=True)


def add_scores(chosen: pd.DataFrame, scores: pd.DataFrame, *, cohort: str, patient: str) -> pd.DataFrame:
    """Add one patient's DSC and bAHD (voxels) to chosen sources; NaN where there are none."""
    own = scores[(scores["cohort"] == cohort) & (scores["patient"] == patient)]
    return chosen.merge(own[["source", "dsc", "bahd_voxel"]], on="source", how="left")


def choose_best_private(scores: pd.DataFrame) -> pd.DataFrame:
    """Give the private run with the best validation DSC as one row; none where no level is private."""
    source = choose_private(tally(scores))
    return scores[scores["source"] == source].drop_duplicates("source")[IDENTITY].reset_index(drop=True)


def choose_patient(scores: pd.DataFrame, *, cohort: str) -> str:
    """Give the test patient of `cohort` whose DSC with real patches is the median (the lower of two)."""
    rows = scores[(scores["source"] == "real") & (scores["cohort"] == cohort)].sort_values(["dsc", "patient"])
    return str(rows["patient"].iloc[(len(rows) - 1) // 2])
