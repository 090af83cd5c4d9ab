"""Print the plan and draw it."""

from pathlib import Path

from privessel.figures.plan import draw_plan, format_plan
from privessel.figures.style import save
from privessel.files.script import logged
from privessel.files.tables import read_table

with logged(snakemake.log[0]):
    tables = (snakemake.input.levels, snakemake.input.regions, snakemake.input.patients)
    plan = [read_table(path) for path in tables]
    save(draw_plan(*plan), Path(snakemake.output.pdf), Path(snakemake.output.png))
    more = {name: read_table(snakemake.input[name]) for name in ("budget", "unets")}
    print(format_plan(*plan, **more), flush=True)
