"""Draw a figure from its data alone."""

from pathlib import Path

import numpy as np
import pandas as pd
from privessel.figures.errors import fig4, fig7
from privessel.figures.pairs import fig2
from privessel.figures.scores import fig3, fig5
from privessel.figures.style import save
from privessel.figures.table import table1
from privessel.job import logged

with logged(snakemake.log[0]):
    draw = {"fig2": fig2, "fig3": fig3, "fig4": fig4, "fig5": fig5, "fig7": fig7, "table1": table1}
    path = Path(snakemake.input.data)
    data = pd.read_csv(path) if path.suffix == ".csv" else dict(np.load(path))
    save(draw[snakemake.params.figure](data), Path(snakemake.output.pdf), Path(snakemake.output.png))
