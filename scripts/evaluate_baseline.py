"""Segment whole volumes with a tuned baseline and score every patient."""

from functools import partial
from pathlib import Path

from privessel.cohort.table import Patient
from privessel.files.reading import read_json
from privessel.files.script import logged
from privessel.scores.baselines import apply
from privessel.scores.evaluation import evaluate_patients

with logged(snakemake.log[0]):
    parameters = read_json(snakemake.input.selection, keys=["parameters"])["parameters"]
    evaluate_patients(
        [Patient(**record) for record in snakemake.params.patients],
        partial(apply, parameters),
        patch_size=snakemake.params.patch_size,
        rows=[Path(path) for path in snakemake.output.metrics],
        masks=[Path(path) for path in snakemake.output.predictions],
        table=Path(snakemake.output.table),
    )
