"""Which epoch is best: validation scores of one run's generators, each with the eps of its own epoch."""

from collections.abc import Mapping, Sequence

import pandas as pd

_IDENTITY = ["arch", "level", "noise_multiplier", "run", "epoch", "eps", "eps_published", "unit"]
COLUMNS = [*_IDENTITY, "dsc_mean", "dsc_sd", "patients", "kept"]


def collect(metrics: pd.DataFrame, *, sources: Mapping[str, Mapping], kept: Sequence[str]) -> pd.DataFrame:
    """Return one row per source: mean and sample SD of the DSC over validation patients, beside its eps.

    `metrics` has the columns of a metrics file plus `source`; `sources` says of each what `scores.describe`
    does, and its architecture; those in `kept` are also evaluated in the main study.
    """
    dsc = metrics.groupby("source")["dsc"].agg(dsc_mean="mean", dsc_sd="std", patients="count")
    rows = [record | {"source": source, "kept": source in kept} for source, record in sources.items()]
    return pd.DataFrame(rows).merge(dsc, on="source").reindex(columns=COLUMNS)
