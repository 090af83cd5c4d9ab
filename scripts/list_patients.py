"""List a split's checked patients with the results of their checks, warnings and digests included."""

from pathlib import Path

import pandas as pd

from privessel.cohort.intake import check_listed, read_reports, require_sound
from privessel.cohort.table import Patient
from privessel.files.atomic import atomic_path
from privessel.files.script import logged

with logged(snakemake.log[0]):
    if snakemake.input.get("table"):
        for record in snakemake.params.patients:
            check_listed(Patient(**record), Path(snakemake.input.table))
    reports = read_reports(snakemake.input.reports)
    require_sound(reports, earlier=read_reports(snakemake.input.get("earlier", [])))
    with atomic_path(Path(snakemake.output[0])) as partial:
        pd.json_normalize(reports).drop(columns=["print", "problems"]).to_csv(partial, index=False)
