"""Tabulate what the site's private runs have cost, and what each training patient has spent in total."""

from pathlib import Path

from privessel.cohort.intake import read_voxels
from privessel.files.atomic import atomic_path
from privessel.files.script import logged
from privessel.privacy.seen import read_seen
from privessel.privacy.site import Site
from privessel.privacy.spending_tables import tabulate_patients, tabulate_runs

with logged(snakemake.log[0]):
    site = Site.from_config(snakemake.config["privacy"])
    patients = site.digests(read_voxels(Path(snakemake.input.patients)))
    accounts = site.accounts(read_seen(Path(snakemake.output.runs).parents[1]))
    tables = {
        snakemake.output.runs: tabulate_runs(accounts, delta=site.delta),
        snakemake.output.patients: tabulate_patients(
            accounts, patients=patients, epsilon=site.epsilon, delta=site.delta
        ),
    }
    for path, table in tables.items():
        with atomic_path(Path(path)) as partial:
            table.to_csv(partial, index=False)
