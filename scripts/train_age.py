"""Train the age network on the unaltered heads of public people."""

from pathlib import Path

from privessel.deid.age import AgeTraining
from privessel.deid.age_run import load_aged, train_to_files
from privessel.files.script import logged

with logged(snakemake.log[0]):
    params, made = snakemake.params, snakemake.output
    frames = list(map(Path, snakemake.input.frames))
    train_to_files(
        load_aged(frames, params.people, Path(params.table), cohort=params.cohort),
        training=AgeTraining(**params.training),
        seed=params.seed,
        weights=Path(made.weights),
        history_csv=Path(made.history),
    )
