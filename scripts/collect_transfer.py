"""Gather the metrics of transfer learning, and of its starts as they were, in one long table."""

from pathlib import Path

import pandas as pd

from privessel.files.atomic import atomic_path
from privessel.files.script import logged
from privessel.files.tables import read_table
from privessel.scores.table import read_metrics
from privessel.scores.transfer import collect, transfer_origin

with logged(snakemake.log[0]):
    params, files = snakemake.params, [Path(path) for path in snakemake.input.metrics]
    tuned = [read_metrics(path, patients=params.patients).assign(**transfer_origin(path)) for path in files]
    table = collect(
        pd.concat(tuned),
        read_table(snakemake.input.scores),
        starts=params.starts,
        cohort=params.cohort,
    )
    with atomic_path(Path(snakemake.output[0])) as partial:
        table.to_csv(partial, index=False)
