"""Choose a source's U-Net setting by the mean DSC over the validation patients."""

import csv
import json
from pathlib import Path
from statistics import fmean

from privessel.files.atomic import atomic_path
from privessel.files.reading import read_text, reading
from privessel.files.script import logged

with logged(snakemake.log[0]):
    means = {}
    for setting, path in zip(snakemake.params.settings, snakemake.input, strict=True):
        with reading(path):
            rows = csv.DictReader(read_text(path).splitlines())
            means[setting] = fmean(float(row["dsc"]) for row in rows)
    best = max(means, key=means.get)
    choice = {"setting": best, "validation_dsc": means[best], "settings": means}
    with atomic_path(Path(snakemake.output[0])) as partial:
        partial.write_text(json.dumps(choice, indent=1) + "\n")
