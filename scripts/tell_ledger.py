"""Show on the terminal what has been spent."""

import logging
from io import StringIO

import pandas as pd

from privessel.files.reading import read_text
from privessel.files.script import logged
from privessel.privacy.spending_tables import tell_spent

with logged(snakemake.log[0]):
    runs, patients = (StringIO(read_text(path)) for path in (snakemake.input.runs, snakemake.input.patients))
    runs = pd.read_csv(runs)
    patients = pd.read_csv(patients, dtype={"patient": str}, keep_default_na=False)
    told = tell_spent(runs, patients, cohort=snakemake.params.cohort)
    logging.getLogger("privessel").info("what has been spent:\n%s", told)
