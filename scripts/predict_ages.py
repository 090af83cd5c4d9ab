"""Read an age from every head that every method makes of a cohort."""

from pathlib import Path

import torch

from privessel.deid.age import TrainedAge
from privessel.deid.utility import HeadFiles, predict_ages
from privessel.files.atomic import atomic_path
from privessel.files.reading import read_arrays
from privessel.files.script import logged

with logged(snakemake.log[0]):
    params, given = snakemake.params, snakemake.input
    torch.set_num_threads(1)
    count = len(params.scans)
    files = HeadFiles(
        params.scans,
        frames=list(map(Path, given.frames)),
        gammas=list(map(Path, given.gammas)),
        hulls=dict(zip(params.shields, map(Path, given.hulls), strict=True)),
        made={
            hull: list(map(Path, given.made[place * count : (place + 1) * count]))
            for place, hull in enumerate(params.filled)
        },
        average=read_arrays(given.average)["image"],
    )
    table = predict_ages(params.methods, files, predict=TrainedAge.load(Path(given.weights)).predict)
    with atomic_path(Path(snakemake.output[0])) as partial:
        table.to_csv(partial, index=False, float_format="%.4f")
