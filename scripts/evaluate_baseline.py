"""Segment whole volumes with a tuned baseline and score every patient."""

from functools import partial
from pathlib import Path

from privessel.baselines import apply
from privessel.cohort import Patient
from privessel.evaluation import evaluate_patients
from privessel.job import logged
from privessel.reading import read_json

with logged(snakemake.log[0]):
    parameters = read_json(snakemake.input.selection, keys=["parameters"])["parameters"]
    evaluate_patients(
        [Patient(**record) for record in snakemake.params.patients],
        partial(apply, parameters),
        patch_size=snakemake.params.patch_size,
        rows=[Path(path) for path in snakemake.output.metrics],
        masks=[Path(path) for path in snakemake.output.predictions],
    )
