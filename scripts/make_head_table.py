"""Write the participants table and the dataset descriptions of a simulated cohort of heads."""

from pathlib import Path

from privessel.deid.head_cohort import make_people, write_people_table
from privessel.files.script import logged

with logged(snakemake.log[0]):
    params, cohort = snakemake.params, snakemake.wildcards.heads
    people = make_people(params.splits, cohort=cohort, seed=params.seed)
    write_people_table(Path(params.root), people, name=cohort)
