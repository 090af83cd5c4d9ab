"""Print on the terminal what private runs and patients have spent."""

import logging
from io import StringIO

import pandas as pd

from privessel.files.reading import read_text
from privessel.files.script import logged
from privessel.privacy.spending_tables import format_spending

with logged(snakemake.log[0]):
    runs, patients = (StringIO(read_text(path)) for path in (snakemake.input.runs, snakemake.input.patients))
    runs = pd.read_csv(runs)
    patients = pd.read_csv(patients, dtype={"patient": str}, keep_default_na=False)
    text = format_spending(runs, patients, cohort=snakemake.params.cohort)
    logging.getLogger("privessel").info("what has been spent:\n%s", text)
