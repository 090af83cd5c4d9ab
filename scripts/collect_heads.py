"""Collect what every method makes of one person's head, as pictures."""

from pathlib import Path

from privessel.deid.methods import make_heads
from privessel.figures.deid_methods import deid_fig1_data
from privessel.files.arrays import write_arrays
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
        made={name: Path(path) for name, path in zip(params.gans, given.made, strict=True)},
        average=read_arrays(given.average)["image"],
    )
    write_arrays(Path(snakemake.output[0]), **deid_fig1_data(heads))
