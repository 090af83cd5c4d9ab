"""Simulate one scan of a person and write the BIDS files."""

from pathlib import Path

from privessel.deid.head_cohort import make_people, write_scan
from privessel.files.script import logged

with logged(snakemake.log[0]):
    params, wildcards = snakemake.params, snakemake.wildcards
    (person,) = make_people({wildcards.person: "train"}, cohort=wildcards.heads, seed=params.seed)
    write_scan(Path(params.root), person, visit=params.visit, session=wildcards.session, side=params.side)
