"""Write one set of synthetic pairs as plain PNG files, and read them back."""

from pathlib import Path

from privessel.cohort.patches import load_pairs
from privessel.files.script import logged
from privessel.release.export import read_png_pairs, require_same, warn_of_level, write_png_pairs

with logged(snakemake.log[0]):
    pairs = load_pairs([Path(snakemake.input.pairs)])
    folder = Path(snakemake.output[0])
    write_png_pairs(*pairs, folder, threads=snakemake.threads)
    warn_of_level(snakemake.wildcards.level, folder=folder)
    require_same(pairs, read_png_pairs(folder), folder=folder)
