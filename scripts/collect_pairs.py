"""Take pairs of every level's best run by validation, of a patient and of public cohorts, for figure 2."""

from pathlib import Path

from privessel.cohort.patches import load_pairs
from privessel.figures.pairs import fig2_data
from privessel.files.arrays import write_arrays
from privessel.files.script import logged
from privessel.files.tables import read_table
from privessel.scores.choice import choose_levels

SHOWN = 6

with logged(snakemake.log[0]):
    params, given = snakemake.params, snakemake.input
    files = dict(zip(params.pairs, given.pairs, strict=True))
    levels = choose_levels(read_table(given.scores))
    levels = levels[levels["source"].isin(files)]  # a private U-Net has no pairs
    patches = zip(("real", *params.baselines), (given.real, *given.baselines), strict=True)
    data = fig2_data(
        references={name: load_pairs([Path(path)]) for name, path in patches},
        levels=levels,
        pairs=[load_pairs([Path(files[source])]) for source in levels["source"]],
        count=SHOWN,
    )
    write_arrays(Path(snakemake.output[0]), **data)
