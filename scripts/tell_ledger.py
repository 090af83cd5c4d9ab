"""Show on the terminal what has been spent."""

import logging

import pandas as pd
from privessel.job import logged
from privessel.privacy.spent_tables import tell_spent

with logged(snakemake.log[0]):
    runs = pd.read_csv(snakemake.input.runs)
    patients = pd.read_csv(snakemake.input.patients, dtype={"patient": str}, keep_default_na=False)
    told = tell_spent(runs, patients, cohort=snakemake.params.cohort)
    logging.getLogger("privessel").info("what has been spent:\n%s", told)
