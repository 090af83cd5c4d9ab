"""Gather every source's image quality and its eps in one table."""

from pathlib import Path

import pandas as pd

from privessel.files.atomic import atomic_path
from privessel.files.reading import read_json
from privessel.files.script import logged
from privessel.files.tables import read_table
from privessel.scores import table as scores
from privessel.scores.tally import IDENTITY

with logged(snakemake.log[0]):
    sources = snakemake.params.sources
    chosen = [read_json(path, keys=["validation_dsc"]) for path in snakemake.input.selections]
    described = scores.describe(
        sources=sources,
        selections=dict(zip(sources, chosen, strict=True)),
        privacy=scores.by_run(
            read_json(path, keys=["arch", "level", "run"]) for path in snakemake.input.privacy
        ),
    )
    quality = pd.concat([read_table(path, columns=["source"]) for path in snakemake.input.quality])
    table = described[IDENTITY].merge(quality, on="source", validate="one_to_one")
    with atomic_path(Path(snakemake.output[0])) as partial:
        table.to_csv(partial, index=False)
