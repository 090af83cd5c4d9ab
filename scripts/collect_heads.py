"""Collect what every method makes of one person's head, as pictures."""

from pathlib import Path

import numpy as np

from privessel.deid.methods import make_heads
from privessel.figures.deid_methods import deid_fig1_data
from privessel.files.atomic import atomic_path
from privessel.files.reading import read_arrays
from privessel.files.script import logged

with logged(snakemake.log[0]):
    params, given = snakemake.params, snakemake.input
    heads = make_heads(
        params.methods,
        params.scan,
        frame=Path(given.frame),
        gamma=Path(given.gamma),
        hulls={name: Path(path) for name, path in zip(params.shielded, given.hulls, strict=True)},
        average=read_arrays(given.average)["image"],
    )
    with atomic_path(Path(snakemake.output[0])) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **deid_fig1_data(heads))
