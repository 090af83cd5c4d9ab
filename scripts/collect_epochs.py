"""Gather validation scores: of the epoch study's generators with their eps, and of the sources at eps = 0."""

from pathlib import Path

from privessel.files.atomic import atomic_path
from privessel.files.reading import read_json
from privessel.files.script import logged
from privessel.scores.epochs import collect
from privessel.scores.table import by_run, find_eps, gather_metrics

with logged(snakemake.log[0]):
    params = snakemake.params
    privacy = by_run(
        read_json(path, keys=["arch", "level", "run", "epochs"]) for path in snakemake.input.privacy
    )
    sources = {source: record | find_eps(record, privacy) for source, record in params.sources.items()}
    chosen = [read_json(path, keys=["validation_dsc"]) for path in snakemake.input.selections]
    free = {name: record | choice for (name, record), choice in zip(params.free.items(), chosen, strict=True)}
    with atomic_path(Path(snakemake.output[0])) as partial:
        metrics = gather_metrics(snakemake.input.metrics, patients=params.patients)
        table = collect(metrics, sources=sources, kept=params.kept, free=free)
        table.to_csv(partial, index=False)
