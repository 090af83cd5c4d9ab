"""List a split's checked patients with what their scans are, digests included."""

from pathlib import Path

import pandas as pd

from privessel.cohort.intake import check_listed
from privessel.cohort.likeness import mark_repeated
from privessel.cohort.outcome import list_usable, read_outcomes
from privessel.cohort.table import Patient
from privessel.files.atomic import atomic_path
from privessel.files.script import logged

with logged(snakemake.log[0]):
    if snakemake.input.get("table"):
        for record in snakemake.params.patients:
            check_listed(Patient(**record), Path(snakemake.input.table))
    earlier = read_outcomes(snakemake.input.get("earlier", []))
    outcomes = mark_repeated(read_outcomes(snakemake.input.outcomes), earlier)
    patients = list_usable(outcomes)
    with atomic_path(Path(snakemake.output[0])) as partial:
        pd.json_normalize(patients).to_csv(partial, index=False)
