"""Write one set of synthetic pairs as a raw dataset of nnU-Net v2."""

from pathlib import Path

from privessel.cohort.patches import load_pairs
from privessel.files.script import logged
from privessel.release.export import NnunetTarget, warn_of_level, write_exports

with logged(snakemake.log[0]):
    params, folder = snakemake.params, Path(snakemake.output[0])
    target = NnunetTarget(folder, dataset_id=params.dataset_id, name=params.name)
    write_exports(*load_pairs([Path(snakemake.input.pairs)]), nnunet=target, threads=snakemake.threads)
    warn_of_level(snakemake.wildcards.level, folder=folder)
