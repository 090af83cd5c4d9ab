"""Compute what every level will cost, and what protecting whole patients would buy, before any training."""

from pathlib import Path

import pandas as pd

from privessel.files.atomic import atomic_path
from privessel.files.script import logged
from privessel.privacy.planner import PlannedMechanism, plan_levels, plan_patients

with logged(snakemake.log[0]):
    params = snakemake.params
    levels = plan_levels(
        params.levels, PlannedMechanism(**params.mechanism), patient_delta=params.patient_delta
    )
    trained_on, steps = params.mechanism["patients"], params.mechanism["steps"]
    patients = []
    for times in params.times_patients:
        patients += plan_patients(
            patients=trained_on * times, participation=1.0, steps=steps, mean_noise=params.mean_noise,
            delta=params.patient_delta / times, epsilons=params.patient_epsilons,
        )  # fmt: skip
    for rows, path in ((levels, snakemake.output.levels), (patients, snakemake.output.patients)):
        with atomic_path(Path(path)) as partial:
            pd.DataFrame(rows).to_csv(partial, index=False)
