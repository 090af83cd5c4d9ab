"""The study's long table: one row per source, test cohort and patient, with its generator's eps."""

from pathlib import PurePath

import numpy as np
import pandas as pd

from privessel.figures.tally import IDENTITY

COLUMNS = [*IDENTITY, "setting", "cohort", "patient", "dsc", "bahd_voxel", "bahd_mm", "ahd_mm", "hd95_voxel"]
COLUMNS += ["hd95_mm", "hd95_surface_mm", "tp", "fp", "fn", "empty"]


def origin(path: PurePath) -> dict[str, str]:
    """Source and cohort of a metrics file `.../metrics/{source}/{setting}/{cohort}/{patient}.csv`.

    >>> origin(PurePath("results/demo/metrics/wgan/inf/run-1/epoch-5/selected/phantom-b/b001.csv"))
    {'source': 'wgan/inf/run-1/epoch-5', 'cohort': 'phantom-b'}
    """
    parts = path.parts
    source = parts[parts.index("metrics") + 1 : -3]
    return {"source": "/".join(source), "cohort": parts[-2]}


def collect(
    metrics: pd.DataFrame,
    *,
    sources: dict[str, dict],
    selections: dict[str, dict],
    privacy: dict[tuple[str, int], dict],
) -> pd.DataFrame:
    """Join test metrics with what their source is, its setting chosen by validation, and the eps spent.

    `metrics` has the columns of a metrics file plus `source` and `cohort`; `sources` gives kind and, for
    GANs, level, run and epoch; `selections` setting and mean validation DSC; `privacy` is the privacy record
    of each (level, run). The eps of a source is that of the very epoch its generator was kept at; of a
    control, that of its pairs.
    """
    described = []
    for source, record in sources.items():
        chosen = selections[source]
        named = {"source": source, "level": "", **record, **_eps(record, privacy)}
        named |= {"setting": chosen.get("setting", ""), "validation_dsc": chosen["validation_dsc"]}
        described.append(named)
    table = pd.DataFrame(described).merge(metrics, on="source", how="inner", validate="one_to_many")
    return table.reindex(columns=COLUMNS)


def _eps(record: dict, privacy: dict[tuple[str, int], dict]) -> dict[str, float]:
    """Valid and published eps at the kept epoch, and its unit; infinite without noise, none without a GAN."""
    if not record.get("level"):
        return {}
    run = privacy[record["level"], record["run"]]
    if run["noise_multiplier"] is None:
        return {"eps": np.inf, "eps_published": np.inf}
    spent = run["epochs"][str(record["epoch"])]
    return {"noise_multiplier": run["noise_multiplier"], "unit": run["unit"]} | {
        "eps": spent["epsilon"],
        "eps_published": spent["epsilon_as_published"],
    }
