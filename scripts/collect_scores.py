"""Gather every source's test metrics, its chosen setting and its eps in one long table."""

import json
from pathlib import Path

import pandas as pd
from privessel import scores
from privessel.atomic import atomic_path
from privessel.figures.tally import read_table
from privessel.job import logged

with logged(snakemake.log[0]):
    metrics = pd.concat(
        [read_table(path).assign(**scores.origin(Path(path))) for path in snakemake.input.metrics]
    )
    chosen = [json.loads(Path(path).read_text()) for path in snakemake.input.selections]
    table = scores.collect(
        metrics,
        sources=snakemake.params.sources,
        selections=dict(zip(snakemake.params.sources, chosen, strict=True)),
        privacy=scores.by_run(json.loads(Path(path).read_text()) for path in snakemake.input.privacy),
    )
    with atomic_path(Path(snakemake.output[0])) as partial:
        table.to_csv(partial, index=False)
