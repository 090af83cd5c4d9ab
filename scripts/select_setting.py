"""Choose a source's U-Net setting by the mean DSC over the validation patients."""

import json
from pathlib import Path

import pandas as pd
from privessel.atomic import atomic_path
from privessel.job import logged

with logged(snakemake.log[0]):
    rows = pd.concat([pd.read_csv(path).assign(setting=Path(path).parts[-3]) for path in snakemake.input])
    means = rows.groupby("setting")["dsc"].mean()[snakemake.params.settings]
    choice = {"setting": means.idxmax(), "validation_dsc": means.max(), "settings": means.to_dict()}
    with atomic_path(Path(snakemake.output[0])) as partial:
        partial.write_text(json.dumps(choice, indent=1) + "\n")
