"""Print the plan and draw it."""

from io import StringIO
from pathlib import Path

import pandas as pd

from privessel.figures.plan import draw_plan, format_plan
from privessel.figures.style import save
from privessel.files.reading import read_text
from privessel.files.script import logged

with logged(snakemake.log[0]):
    tables = (snakemake.input.levels, snakemake.input.regions, snakemake.input.patients)
    plan = [pd.read_csv(StringIO(read_text(path))) for path in tables]
    save(draw_plan(*plan), Path(snakemake.output.pdf), Path(snakemake.output.png))
    print(format_plan(*plan), flush=True)
