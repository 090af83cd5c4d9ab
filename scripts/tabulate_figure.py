"""Tabulate what a figure or table of one long table shows."""

from functools import partial
from pathlib import Path

from privessel.figures.epochs import epochs_data
from privessel.figures.gans import gan_comparison_data
from privessel.figures.quality import fig6_data, fig8_data
from privessel.figures.scores import fig3_data, fig5_data
from privessel.figures.significance import statistics_data
from privessel.figures.table import table1_data
from privessel.figures.transfer import transfer_data
from privessel.files.atomic import atomic_path
from privessel.files.script import logged
from privessel.files.tables import read_table

TABULATE = {"fig3": fig3_data, "fig5": fig5_data, "table1": table1_data, "statistics": statistics_data}
WITHOUT_DRAWS = {"fig6": fig6_data, "fig8": fig8_data, "gan_comparison": gan_comparison_data}
WITHOUT_DRAWS |= {"transfer": transfer_data, "epochs": epochs_data}

with logged(snakemake.log[0]):
    figure, params = snakemake.params.figure, snakemake.params
    seeded = {name: partial(tabulate, seed=params.seed) for name, tabulate in TABULATE.items()}
    tabulate = (seeded | WITHOUT_DRAWS)[figure]
    with atomic_path(Path(snakemake.output[0])) as written:
        tabulate(read_table(snakemake.input.table)).to_csv(written, index=False)
