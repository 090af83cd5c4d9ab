"""Choose a source's U-Net setting by the mean DSC over the validation patients."""

import json
from io import StringIO
from pathlib import Path

import pandas as pd
from privessel.atomic import atomic_path
from privessel.job import logged
from privessel.reading import read_text, reading

with logged(snakemake.log[0]):
    rows = []
    for path in snakemake.input:
        with reading(path):
            row = pd.read_csv(StringIO(read_text(path)))[["patient", "dsc"]]
        rows.append(row.assign(setting=Path(path).parts[-3]))
    means = pd.concat(rows).groupby("setting")["dsc"].mean()[snakemake.params.settings]
    choice = {"setting": means.idxmax(), "validation_dsc": means.max(), "settings": means.to_dict()}
    with atomic_path(Path(snakemake.output[0])) as partial:
        partial.write_text(json.dumps(choice, indent=1) + "\n")
