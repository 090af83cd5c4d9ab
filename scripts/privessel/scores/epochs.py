"""Which epoch is best: validation scores of one run's generators, each with the eps of its own epoch."""

from collections.abc import Mapping, Sequence

import pandas as pd

_IDENTITY = ["source", "kind", "arch", "level", "noise_multiplier", "run", "epoch", "eps", "eps_published"]
COLUMNS = [*_IDENTITY, "unit", "dsc_mean", "dsc_sd", "patients", "kept"]


def collect(
    metrics: pd.DataFrame,
    *,
    sources: Mapping[str, Mapping],
    kept: Sequence[str],
    free: Mapping[str, Mapping],
) -> pd.DataFrame:
    """Return one row per generator: mean and sample SD of the DSC over validation patients, beside its eps.

    `metrics` has the columns of a metrics file plus `source`; `sources` gives the kind, arch, level, run,
    epoch and eps of each; those in `kept` are also evaluated in the main study. Below them stands one row per
    source of `free`, at eps = 0: `free` has its kind and `validation_dsc`, the mean of the setting chosen on
    the same patients. Such a source has neither epoch nor SD, and is always evaluated in the main study.
    """
    dsc = metrics.groupby("source")["dsc"].agg(dsc_mean="mean", dsc_sd="std", patients="count")
    rows = [record | {"source": source, "kept": source in kept} for source, record in sources.items()]
    generators = pd.DataFrame(rows).merge(dsc, on="source").to_dict("records")
    references = [
        {"source": source, "kind": record["kind"], "dsc_mean": record["validation_dsc"], "kept": True}
        for source, record in free.items()
    ]
    table = pd.DataFrame([*generators, *references]).reindex(columns=COLUMNS)
    return table.astype(dict.fromkeys(["run", "epoch", "patients"], "Int64"))
