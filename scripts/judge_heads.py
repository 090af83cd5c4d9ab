"""Join what was found in every method's heads: a table a method, volumes, and the data of figure 4."""

from pathlib import Path

import pandas as pd

from privessel.deid.age_table import read_ages
from privessel.deid.utility import join, tabulate_volumes
from privessel.files.atomic import atomic_path
from privessel.files.script import logged
from privessel.files.tables import read_table

with logged(snakemake.log[0]):
    params, given, made = snakemake.params, snakemake.input, snakemake.output
    tables = join(
        {name: read_table(path) for name, path in zip(params.methods, given.tissues, strict=True)},
        read_table(given.ages[0]) if given.ages else None,
        read_ages(Path(params.table), cohort=params.cohort) if given.ages else {},
        truth=params.truth,
    )
    outputs = dict(zip(made.metrics, tables.values(), strict=True))
    outputs[made.volumes] = tabulate_volumes(tables)
    outputs[made.figure] = pd.concat([table.assign(method=method) for method, table in tables.items()])
    for path, table in outputs.items():
        with atomic_path(Path(path)) as partial:
            table.to_csv(partial, index=False, float_format="%.4f")
