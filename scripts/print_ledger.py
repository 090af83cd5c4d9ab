"""Print on the terminal what private runs and patients have spent."""

import logging

from privessel.files.script import logged
from privessel.files.tables import as_text, read_table
from privessel.privacy.spending_tables import format_spending

with logged(snakemake.log[0]):
    runs, patients = read_table(snakemake.input.runs), read_table(snakemake.input.patients)
    # Both are empty where a patient was in no run.
    patients = patients.assign(runs=as_text(patients["runs"]), unit=as_text(patients["unit"]))
    text = format_spending(runs, patients, cohort=snakemake.params.cohort, who=snakemake.params.who)
    logging.getLogger("privessel").info("what has been spent:\n%s", text)
