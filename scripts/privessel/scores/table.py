"""The study's long table: one row per source, test cohort and patient, with its generator's eps."""

from collections.abc import Iterable
from pathlib import Path, PurePath

import numpy as np
import pandas as pd

from privessel.files.reading import reading
from privessel.files.tables import read_table
from privessel.scores.tally import IDENTITY

METRICS = ["dsc", "bahd_voxel", "bahd_mm", "ahd_mm", "hd95_voxel", "hd95_mm", "hd95_surface_mm"]
METRICS += ["tp", "fp", "fn", "empty"]
COLUMNS = [*IDENTITY, "setting", "cohort", "patient", *METRICS]


def read_metrics(path: str | Path) -> pd.DataFrame:
    """Read the one row of a metrics file, `.../{patient}.csv`.

    Raises DamagedError where it is damaged or of another patient: one who is missing would not be missed.
    """
    row = read_table(path, columns=["patient", *METRICS])
    with reading(path):
        if list(row["patient"]) != [Path(path).stem]:
            raise ValueError(f"it has rows of {list(row['patient'])}")
    return row


def origin(path: PurePath) -> dict[str, str]:
    """Source and cohort of a metrics file `.../metrics/{source}/{setting}/{cohort}/{patient}.csv`.

    >>> origin(PurePath("results/demo/metrics/wgan/inf/run-1/epoch-5/selected/phantom-b/b001.csv"))
    {'source': 'wgan/inf/run-1/epoch-5', 'cohort': 'phantom-b'}
    """
    parts = path.parts
    source = parts[parts.index("metrics") + 1 : -3]
    return {"source": "/".join(source), "cohort": parts[-2]}


def by_run(records: Iterable[dict]) -> dict[tuple[str, str, int], dict]:
    """Return the privacy records of runs (their privacy.json) by architecture, level and run."""
    return {(record["arch"], record["level"], record["run"]): record for record in records}


def describe(
    *,
    sources: dict[str, dict],
    selections: dict[str, dict],
    privacy: dict[tuple[str, str, int], dict],
) -> pd.DataFrame:
    """Return one row per source: the columns of `IDENTITY`, and the setting that validation chose.

    `sources` gives kind and, for GANs, arch, level, run and epoch; `selections` setting and mean validation
    DSC; `privacy` the privacy record of each run, as `by_run`. The eps of a source is that of the very epoch
    its generator was kept at; of a control, that of its pairs.
    """
    described = []
    for source, record in sources.items():
        chosen = selections[source]
        named = {"source": source, "level": "", **record, **find_eps(record, privacy)}
        named |= {"setting": chosen.get("setting", ""), "validation_dsc": chosen["validation_dsc"]}
        described.append(named)
    return pd.DataFrame(described).reindex(columns=[*IDENTITY, "setting"])


def collect(
    metrics: pd.DataFrame,
    *,
    sources: dict[str, dict],
    selections: dict[str, dict],
    privacy: dict[tuple[str, str, int], dict],
) -> pd.DataFrame:
    """Join test metrics with what `describe` says of their sources.

    `metrics` has the columns of a metrics file plus `source` and `cohort`.
    """
    described = describe(sources=sources, selections=selections, privacy=privacy)
    table = described.merge(metrics, on="source", how="inner", validate="one_to_many")
    return table.reindex(columns=COLUMNS)


def find_eps(record: dict, privacy: dict[tuple[str, str, int], dict]) -> dict[str, float]:
    """Return eps and eps_published at a source's kept epoch, its noise multiplier and unit.

    `record` has the source's arch, level, run and epoch. Without noise both eps are infinite and the others
    absent; of a source without a GAN all are absent.
    """
    if not record.get("level"):
        return {}
    run = privacy[record["arch"], record["level"], record["run"]]
    if run["noise_multiplier"] is None:
        return {"eps": np.inf, "eps_published": np.inf}
    spent = run["epochs"][str(record["epoch"])]
    return {"noise_multiplier": run["noise_multiplier"], "unit": run["unit"]} | {
        "eps": spent["epsilon"],
        "eps_published": spent["epsilon_as_published"],
    }
