"""Write one set of synthetic pairs as an nnU-Net v2 raw dataset, and read it back."""

from pathlib import Path

from privessel.cohort.patches import load_pairs
from privessel.files.script import logged
from privessel.release.export import read_nnunet, require_same, warn_of_level, write_nnunet

with logged(snakemake.log[0]):
    pairs = load_pairs([Path(snakemake.input.pairs)])
    params, folder = snakemake.params, Path(snakemake.output[0])
    dataset = write_nnunet(
        *pairs, folder, dataset_id=params.dataset_id, name=params.name, threads=snakemake.threads
    )
    warn_of_level(snakemake.wildcards.level, folder=folder)
    require_same(pairs, read_nnunet(dataset), folder=dataset)
