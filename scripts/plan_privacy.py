"""Compute what every level will cost, and what protecting whole patients would buy, before any training."""

from pathlib import Path

import pandas as pd

from privessel.files.atomic import atomic_path
from privessel.files.script import logged
from privessel.privacy.planner import (
    REGION_COLUMNS,
    PlannedMechanism,
    plan_cohorts,
    plan_levels,
    plan_overlaps,
)

with logged(snakemake.log[0]):
    params = snakemake.params
    mechanism = PlannedMechanism(**params.mechanism)
    levels = plan_levels(params.levels, mechanism, patient_delta=params.patient_delta)
    regions = plan_overlaps(params.levels, mechanism, overlaps=params.overlaps)
    patients = plan_cohorts(
        mechanism, times=params.times_patients, patient_delta=params.patient_delta,
        mean_noise=params.mean_noise, epsilons=params.patient_epsilons,
    )  # fmt: skip
    tables = {"levels": levels, "regions": regions, "patients": patients}
    for name, rows in tables.items():
        with atomic_path(Path(snakemake.output[name])) as partial:
            columns = None if rows else REGION_COLUMNS  # where the patient is the unit, no region has a row
            pd.DataFrame(rows, columns=columns).to_csv(partial, index=False)
