"""Compute what every level will cost, and what protecting whole patients would buy, before any training."""

from pathlib import Path

import pandas as pd

from privessel.files.atomic import atomic_path
from privessel.files.script import logged
from privessel.privacy.patient_plan import plan_cohorts
from privessel.privacy.planner import (
    BUDGET_COLUMNS,
    REGION_COLUMNS,
    PlannedMechanism,
    plan_budget,
    plan_levels,
    plan_overlaps,
)
from privessel.privacy.unet_plan import UNET_COLUMNS, charge_unets, plan_private_unets

with logged(snakemake.log[0]):
    params = snakemake.params
    mechanism = PlannedMechanism(**params.mechanism)
    levels = plan_levels(params.levels, mechanism, patient_delta=params.patient_delta)
    regions = plan_overlaps(params.levels, mechanism, overlaps=params.overlaps)
    patients = plan_cohorts(
        mechanism, times=params.times_patients, patient_delta=params.patient_delta,
        mean_noise=params.mean_noise, epsilons=params.patient_epsilons,
    )  # fmt: skip
    unet = PlannedMechanism(**params.private_unet)
    unets = plan_private_unets(params.private_unet_runs, unet, patient_delta=params.patient_delta)
    charged = charge_unets(unets, params.private_unet_runs)
    budget = plan_budget(params.runs, mechanism, budget=params.budget, votes=params.votes, unets=charged)
    tables = {
        "levels": pd.DataFrame(levels),
        "regions": pd.DataFrame(regions, columns=REGION_COLUMNS),
        "patients": pd.DataFrame(patients),
        "unets": pd.DataFrame(unets, columns=UNET_COLUMNS),
        "budget": pd.DataFrame(budget, columns=BUDGET_COLUMNS),
    }
    for name, table in tables.items():
        with atomic_path(Path(snakemake.output[name])) as partial:
            table.to_csv(partial, index=False)
