"""Gather a typical test patient's predictions by each level's best run, for figures 4 and S2."""

from pathlib import Path

import pandas as pd

from privessel.cohort.nifti import load_mask
from privessel.cohort.scan import load_native_scan
from privessel.cohort.table import Patient
from privessel.figures.errors import fig4_data
from privessel.files.arrays import write_arrays
from privessel.files.script import logged
from privessel.files.tables import read_table
from privessel.scores import choice

with logged(snakemake.log[0]):
    params, scores = snakemake.params, read_table(snakemake.input.scores)
    patient = choice.choose_patient(scores, cohort=params.cohort)
    levels = choice.choose_lowest(scores, params.lowest) if params.lowest else choice.choose_levels(scores)
    shown = pd.concat([choice.choose_references(scores), levels], ignore_index=True)
    endings = [f"/prediction/{source}/{params.cohort}/{patient}.nii.gz" for source in shown["source"]]
    files = [next(path for path in params.predictions if path.endswith(end)) for end in endings]
    scan = load_native_scan(Patient(**params.patients[patient]), patch_size=params.patch_size)
    data = fig4_data(
        image=scan.image,
        truth=scan.vessels,
        predictions=[load_mask(Path(path)) for path in files],
        columns=choice.add_scores(shown, scores, cohort=params.cohort, patient=patient),
    )
    write_arrays(Path(snakemake.output[0]), **data)
