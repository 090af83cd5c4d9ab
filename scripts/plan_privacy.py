"""Compute what every level will cost, and what protecting whole patients would buy, before any training."""

from pathlib import Path

import pandas as pd

from privessel.files.atomic import atomic_path
from privessel.files.script import logged
from privessel.privacy.planner import (
    REGION_COLUMNS,
    PlannedMechanism,
    plan_levels,
    plan_overlaps,
    plan_patients,
)

with logged(snakemake.log[0]):
    params = snakemake.params
    mechanism = PlannedMechanism(**params.mechanism)
    levels = plan_levels(params.levels, mechanism, patient_delta=params.patient_delta)
    regions = plan_overlaps(params.levels, mechanism, overlaps=params.overlaps)
    trained_on, steps = params.mechanism["patients"], params.mechanism["steps"]
    patients = []
    for times in params.times_patients:
        patients += plan_patients(
            patients=trained_on * times, participation=1.0, steps=steps, mean_noise=params.mean_noise,
            delta=min(params.patient_delta, 0.1 / (trained_on * times)), epsilons=params.patient_epsilons,
        )  # fmt: skip
    tables = {"levels": levels, "regions": regions, "patients": patients}
    for name, rows in tables.items():
        with atomic_path(Path(snakemake.output[name])) as partial:
            columns = None if rows else REGION_COLUMNS  # where the patient is the unit, no region has a row
            pd.DataFrame(rows, columns=columns).to_csv(partial, index=False)
