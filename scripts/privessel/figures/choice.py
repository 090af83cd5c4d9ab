"""Which models and which patient the pictures show."""

import numpy as np
import pandas as pd

from privessel.figures.tally import IDENTITY, choose_private, order_levels, tally


def choose_levels(scores: pd.DataFrame) -> pd.DataFrame:
    """Give every level's (and kept epoch's) best run by validation DSC: one row each, by falling eps."""
    rows = order_levels(tally(scores))
    chosen = rows[rows["best"]].drop_duplicates("source")[IDENTITY]
    return chosen.sort_values("eps", ascending=False, kind="stable").reset_index(drop=True)


def choose_best_private(scores: pd.DataFrame) -> pd.DataFrame:
    """Give the private run with the best validation DSC as one row; none where no level is private."""
    source = choose_private(tally(scores))
    return scores[scores["source"] == source].drop_duplicates("source")[IDENTITY].reset_index(drop=True)


def choose_patient(scores: pd.DataFrame, *, cohort: str) -> str:
    """Give the test patient of `cohort` whose DSC with real patches is the median (the lower of two)."""
    rows = scores[(scores["source"] == "real") & (scores["cohort"] == cohort)].sort_values(["dsc", "patient"])
    return str(rows["patient"].iloc[(len(rows) - 1) // 2])


def find_dsc(scores: pd.DataFrame, *, source: str, patient: str) -> float:
    """DSC of one patient's prediction; NaN where there is none."""
    found = scores.loc[(scores["source"] == source) & (scores["patient"] == patient), "dsc"]
    return float(found.iloc[0]) if len(found) else np.nan
