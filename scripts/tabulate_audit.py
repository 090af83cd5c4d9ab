"""Tabulate what the audit's figures show: utility against privacy, and the attacks' ROC curves."""

from pathlib import Path

import pandas as pd

from privessel.figures.attacks import attacks_data
from privessel.figures.audit import utility_privacy_data
from privessel.files.atomic import atomic_path
from privessel.files.script import logged
from privessel.files.tables import read_table

with logged(snakemake.log[0]):
    given, made = snakemake.input, snakemake.output
    bounds, membership, curves = (
        pd.concat([read_table(path) for path in given[name]], ignore_index=True)
        for name in ("bounds", "memberships", "curves")
    )
    scores = read_table(given.scores)
    steps = [row for path in given.steps for row in read_table(path).to_dict("records")]
    unit, seed = snakemake.params.unit, snakemake.params.seed
    tables = {
        made.utility_privacy: utility_privacy_data(
            scores, bounds, membership, steps=steps, unit=unit, seed=seed
        ),
        made.attacks: attacks_data(curves, membership, unit=unit),
    }
    for path, table in tables.items():
        with atomic_path(Path(path)) as partial:
            table.to_csv(partial, index=False)
