"""Make one candidate of the vote: pairs from phantoms of one public setting, and a U-Net trained on them."""

from pathlib import Path

from privessel.files.script import logged
from privessel.seeds import derive
from privessel.unet.run import train_from_files
from privessel.vote.candidates import Design, write_candidate

with logged(snakemake.log[0]):
    params, files = snakemake.params, snakemake.output
    number, pairs = int(snakemake.wildcards.candidate), Path(files.pairs)
    write_candidate(
        Design(**params.design), number, seed=params.seed, pairs=pairs, setting=Path(files.setting)
    )
    train_from_files(
        [pairs],
        settings=params.training,
        seed=derive(params.seed, "vote", "unet", str(number)),
        weights=Path(files.weights),
        history_csv=Path(files.history),
    )
