"""Gather the validation scores of the epoch study's generators, each with its eps, and of what needs none."""

from pathlib import Path

import pandas as pd

from privessel.files.atomic import atomic_path
from privessel.files.reading import read_json
from privessel.files.script import logged
from privessel.scores.epochs import collect
from privessel.scores.table import by_run, find_eps, origin, read_metrics

with logged(snakemake.log[0]):
    params = snakemake.params
    metrics = [read_metrics(path).assign(**origin(Path(path))) for path in snakemake.input.metrics]
    privacy = by_run(
        read_json(path, keys=["arch", "level", "run", "epochs"]) for path in snakemake.input.privacy
    )
    sources = {source: record | find_eps(record, privacy) for source, record in params.sources.items()}
    chosen = [read_json(path, keys=["validation_dsc"]) for path in snakemake.input.selections]
    free = {name: record | found for (name, record), found in zip(params.free.items(), chosen, strict=True)}
    with atomic_path(Path(snakemake.output[0])) as partial:
        table = collect(pd.concat(metrics), sources=sources, kept=params.kept, free=free)
        table.to_csv(partial, index=False)
