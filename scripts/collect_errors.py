"""Gather a typical test patient's predictions by every level's best run (by validation), for figure 4."""

from pathlib import Path

import numpy as np
import pandas as pd
from privessel.atomic import atomic_path
from privessel.cohort import Patient
from privessel.figures.choice import choose_levels, choose_patient, find_dsc
from privessel.figures.errors import fig4_data
from privessel.job import logged
from privessel.nifti import load_mask
from privessel.scan import load_scan

with logged(snakemake.log[0]):
    params, scores = snakemake.params, pd.read_csv(snakemake.input.scores)
    patient = choose_patient(scores, cohort=params.cohort)
    shown = pd.concat([pd.DataFrame([{"source": "real", "level": "real"}]), choose_levels(scores)])
    endings = [f"/{source}/{params.cohort}/{patient}.nii.gz" for source in shown["source"]]
    files = [next(path for path in snakemake.input.predictions if path.endswith(end)) for end in endings]
    scan = load_scan(Patient(**params.patients[patient]), patch_size=params.patch_size)
    data = fig4_data(
        image=scan.image,
        truth=scan.vessels,
        predictions=[load_mask(Path(path)) for path in files],
        level=shown["level"].tolist(),
        eps=shown["eps"].tolist(),
        eps_published=shown["eps_published"].tolist(),
        dsc=[find_dsc(scores, source=source, patient=patient) for source in shown["source"]],
    )
    with atomic_path(Path(snakemake.output[0])) as partial:
        np.savez_compressed(partial, **data)
