"""Gather the validation scores of the epoch study's generators, each with its eps, and of what needs none."""

import json
from pathlib import Path

import pandas as pd
from privessel.atomic import atomic_path
from privessel.epochs import collect
from privessel.figures.tally import read_table
from privessel.job import logged
from privessel.scores import by_run, find_eps, origin

with logged(snakemake.log[0]):
    params = snakemake.params
    metrics = [read_table(path).assign(**origin(Path(path))) for path in snakemake.input.metrics]
    privacy = by_run(json.loads(Path(path).read_text()) for path in snakemake.input.privacy)
    sources = {source: record | find_eps(record, privacy) for source, record in params.sources.items()}
    chosen = [json.loads(Path(path).read_text()) for path in snakemake.input.selections]
    free = {name: record | found for (name, record), found in zip(params.free.items(), chosen, strict=True)}
    with atomic_path(Path(snakemake.output[0])) as partial:
        table = collect(pd.concat(metrics), sources=sources, kept=params.kept, free=free)
        table.to_csv(partial, index=False)
