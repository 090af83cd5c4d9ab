"""List all checked patients with what their checks found, warnings included."""

import json
from pathlib import Path

import pandas as pd
from privessel.atomic import atomic_path
from privessel.job import logged

with logged(snakemake.log[0]):
    reports = [json.loads(Path(path).read_text()) for path in snakemake.input]
    table = pd.json_normalize(reports)
    with atomic_path(Path(snakemake.output[0])) as partial:
        table.to_csv(partial, index=False)
