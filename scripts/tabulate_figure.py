"""Tabulate what a figure or table of one long table shows."""

from pathlib import Path

from privessel.figures.registry import FIGURES, load
from privessel.files.atomic import atomic_path
from privessel.files.script import logged
from privessel.files.tables import read_table

with logged(snakemake.log[0]):
    entry = FIGURES[snakemake.params.figure]
    seed = {"seed": snakemake.params.seed} if entry.seeded else {}
    with atomic_path(Path(snakemake.output[0])) as partial:
        data = load(entry.tabulate)(read_table(snakemake.input.table), **seed)
        data.to_csv(partial, index=False)
