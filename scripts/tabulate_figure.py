"""Tabulate what a figure of scores plots."""

from pathlib import Path

import pandas as pd
from privessel.atomic import atomic_path
from privessel.figures.scores import fig3_data, fig5_data
from privessel.figures.table import table1_data
from privessel.job import logged

with logged(snakemake.log[0]):
    tabulate = {"fig3": fig3_data, "fig5": fig5_data, "table1": table1_data}[snakemake.params.figure]
    with atomic_path(Path(snakemake.output[0])) as partial:
        tabulate(pd.read_csv(snakemake.input.scores)).to_csv(partial, index=False)
