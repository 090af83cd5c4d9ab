"""Train one U-Net with one setting on one source of labelled patches: patients', phantoms' or synthetic."""

from pathlib import Path

from privessel.files.script import logged
from privessel.seeds import derive
from privessel.unet.run import train_from_files

with logged(snakemake.log[0]):
    params, wildcards = snakemake.params, snakemake.wildcards
    train_from_files(
        [Path(path) for path in snakemake.input.pairs],
        settings={**params.training, **params.setting},
        seed=derive(params.seed, "unet", wildcards.source, wildcards.setting),
        weights=Path(snakemake.output.weights),
        history_csv=Path(snakemake.output.history),
        shuffled=params.shuffled,
    )
