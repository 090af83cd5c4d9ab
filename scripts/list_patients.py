"""List a split's checked patients with the results of their checks, warnings and digests included."""

from pathlib import Path

import pandas as pd

from privessel.cohort.intake import check_listed
from privessel.cohort.outcome import require_usable
from privessel.cohort.table import Patient
from privessel.files.atomic import atomic_path
from privessel.files.reading import read_json
from privessel.files.script import logged

with logged(snakemake.log[0]):
    if snakemake.input.get("table"):
        for record in snakemake.params.patients:
            check_listed(Patient(**record), Path(snakemake.input.table))
    outcomes = [read_json(path, keys=["patient", "problems"]) for path in snakemake.input.outcomes]
    require_usable(outcomes)
    reports = [{key: value for key, value in outcome.items() if key != "problems"} for outcome in outcomes]
    with atomic_path(Path(snakemake.output[0])) as partial:
        pd.json_normalize(reports).to_csv(partial, index=False)
