"""Train one U-Net on few patients of another cohort, from scratch or from the chosen U-Net of a source."""

from pathlib import Path

from privessel.files.script import logged
from privessel.seeds import derive
from privessel.unet.net import find_chosen
from privessel.unet.run import train_from_files

with logged(snakemake.log[0]):
    params, selection = snakemake.params, snakemake.input.get("selection")
    train_from_files(
        [Path(path) for path in snakemake.input.pairs],
        settings=params.training,
        seed=derive(params.seed, "transfer", *map(str, snakemake.wildcards)),
        weights=Path(snakemake.output.weights),
        history_csv=Path(snakemake.output.history),
        start=find_chosen(snakemake.input.starts, selection=selection) if selection else None,
    )
