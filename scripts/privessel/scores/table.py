"""The study's long table: one row per source, test cohort and patient, with its generator's eps."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from privessel.files.reading import reading
from privessel.files.tables import read_table
from privessel.scores.formatting import eps_columns
from privessel.scores.tally import IDENTITY
from privessel.study.names import metrics_origin

METRICS = ["dsc", "bahd_voxel", "bahd_mm", "ahd_mm", "hd95_voxel", "hd95_mm", "hd95_surface_mm"]
METRICS += ["cldice", "component_error", "tp", "fp", "fn", "empty"]
COLUMNS = [*IDENTITY, "setting", "cohort", "patient", *METRICS]


def read_metrics(path: str | Path, *, patients: Sequence[str]) -> pd.DataFrame:
    """Read the table of an evaluation, one row for each of `patients`, in their order.

    Raises DamagedError where the file is damaged or holds other patients: a patient who is left out would
    otherwise be missing from every mean without a sign.
    """
    rows = read_table(path, columns=["patient", *METRICS])
    with reading(path):
        if list(rows["patient"]) != list(patients):
            raise ValueError(f"it has rows of {', '.join(rows['patient'])}")
    return rows


def gather_metrics(paths: Iterable[str | Path], *, patients: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Read evaluations as one table, with the source and the cohort that their paths name.

    patients: those that each cohort's evaluations must have.
    """
    parts = []
    for path in map(Path, paths):
        origin = metrics_origin(path)
        rows = read_metrics(path, patients=patients[origin["cohort"]])
        parts.append(rows.assign(source=origin["source"], cohort=origin["cohort"]))
    return pd.concat(parts)


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
    rows = []
    for source, record in sources.items():
        chosen = selections[source]
        row = {"source": source, "level": "", **record, **find_eps(record, privacy)}
        rows.append(row | {"setting": chosen.get("setting", ""), "validation_dsc": chosen["validation_dsc"]})
    return pd.DataFrame(rows).reindex(columns=[*IDENTITY, "setting"])


def collect(
    metrics: pd.DataFrame,
    *,
    sources: dict[str, dict],
    selections: dict[str, dict],
    privacy: dict[tuple[str, str, int], dict],
) -> pd.DataFrame:
    """Join test metrics with the description of their sources (see `describe`).

    `metrics` has the columns of a metrics file plus `source` and `cohort`.
    """
    sources_table = describe(sources=sources, selections=selections, privacy=privacy)
    table = sources_table.merge(metrics, on="source", how="inner", validate="one_to_many")
    return table.reindex(columns=COLUMNS)


def find_eps(record: dict, privacy: dict[tuple[str, str, int], dict]) -> dict[str, float]:
    """Return the eps of a patient, a region and a unit at a source's epoch, and the published one of a GAN.

    `record` has the source's arch, level, run and epoch. Beside the eps stand noise multiplier and unit.
    Of a vote, whose unit is the patient, the eps of a patch stands in the place of a unit's: the largest.
    Without noise every eps is infinite, and there is neither noise multiplier nor unit; for a source without
    a GAN the result is empty. Records of earlier versions say nothing about regions: their eps is missing.
    """
    if not record.get("level"):
        return {}
    run = privacy[record["arch"], record["level"], record["run"]]
    if run.get("pure_epsilon"):
        spent = {
            f"eps_{level}": run["promises"][level]["epsilon"] for level in ("patient", "region", "patch")
        }
        return {"unit": run["unit"], "eps": spent.pop("eps_patch"), **spent}
    if "promises" in run:  # a private U-Net, of which nothing was published
        spent = {f"eps_{level}": run["promises"][level]["epsilon"] for level in ("patient", "region")}
        one = {"noise_multiplier": run["noise_multiplier"], "unit": run["unit"]}
        return one | spent | {"eps": run["promises"][run["unit"]]["epsilon"], "eps_published": np.nan}
    if run["noise_multiplier"] is None:
        return dict.fromkeys(eps_columns("patch").values(), np.inf)
    spent = run["epochs"][str(record["epoch"])]
    return {
        "noise_multiplier": run["noise_multiplier"],
        "unit": run["unit"],
        "eps_patient": spent["patient"]["epsilon"],
        "eps_region": spent["region"]["epsilon"] if "region" in spent else np.nan,
        "eps": spent["epsilon"],
        "eps_published": spent["epsilon_as_published"],
    }
