"""Gather every source's test metrics, its chosen setting and its eps in one long table."""

from pathlib import Path

from privessel.files.atomic import atomic_path
from privessel.files.reading import read_json
from privessel.files.script import logged
from privessel.scores import table as scores

with logged(snakemake.log[0]):
    chosen = [read_json(path, keys=["validation_dsc"]) for path in snakemake.input.selections]
    table = scores.collect(
        scores.gather_metrics(snakemake.input.metrics, patients=snakemake.params.patients),
        sources=snakemake.params.sources,
        selections=dict(zip(snakemake.params.sources, chosen, strict=True)),
        privacy=scores.by_run(
            read_json(path, keys=["arch", "level", "run"]) for path in snakemake.input.privacy
        ),
    )
    with atomic_path(Path(snakemake.output[0])) as partial:
        table.to_csv(partial, index=False)
