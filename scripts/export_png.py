"""Write one set of synthetic pairs as plain PNG files."""

from pathlib import Path

from privessel.cohort.patches import load_pairs
from privessel.files.script import logged
from privessel.release.export import warn_of_level, write_exports

with logged(snakemake.log[0]):
    folder = Path(snakemake.output[0])
    write_exports(*load_pairs([Path(snakemake.input.pairs)]), png=folder, threads=snakemake.threads)
    warn_of_level(snakemake.wildcards.level, folder=folder)
