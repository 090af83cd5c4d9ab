"""Print the plan and draw it."""

from pathlib import Path

import pandas as pd
from privessel.figures.plan import draw_plan, tell_plan
from privessel.figures.style import save
from privessel.job import logged

with logged(snakemake.log[0]):
    levels, patients = (pd.read_csv(path) for path in (snakemake.input.levels, snakemake.input.patients))
    save(draw_plan(levels, patients), Path(snakemake.output.pdf), Path(snakemake.output.png))
    print(tell_plan(levels, patients), flush=True)
