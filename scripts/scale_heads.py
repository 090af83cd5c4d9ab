"""Make gammas larger and smaller, make heads of them, and collect what figure 5 shows."""

from pathlib import Path

import torch

from privessel.deid.scaled import scale_heads
from privessel.figures.deid_scaling import deid_fig5_data
from privessel.files.arrays import write_arrays
from privessel.files.script import logged

with logged(snakemake.log[0]):
    params, given = snakemake.params, snakemake.input
    torch.set_num_threads(1)
    volumes, shown = scale_heads(
        params.scans,
        list(map(Path, given.gammas)),
        gans=dict(zip(params.folds, map(Path, given.gans), strict=True)),
        factors=params.factors,
        voxel=params.voxel,
        seed=params.seed,
    )
    source = "C-DeID-GAN" if params.folds else "no GAN, but the hull filled evenly around the brain"
    data = deid_fig5_data(params.factors, volumes, shown, source=source)
    write_arrays(Path(snakemake.output[0]), **data)
