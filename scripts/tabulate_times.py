"""Tabulate how long the steps on heads took, and how much memory they had."""

from pathlib import Path

from privessel.deid.times import tabulate_times
from privessel.files.atomic import atomic_path
from privessel.files.script import logged

with logged(snakemake.log[0]), atomic_path(Path(snakemake.output[0])) as partial:
    tabulate_times(snakemake.params.steps).to_csv(partial, index=False, float_format="%.2f")
