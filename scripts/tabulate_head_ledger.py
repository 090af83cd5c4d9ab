"""Tabulate what the site's private runs have cost, and what each person of a cohort of heads has spent."""

from pathlib import Path

from privessel.files.atomic import atomic_path
from privessel.files.reading import read_json
from privessel.files.script import logged
from privessel.privacy.seen import read_seen
from privessel.privacy.site import Site
from privessel.privacy.spending_tables import tabulate_people, tabulate_runs

with logged(snakemake.log[0]):
    site, params, made = Site.from_config(snakemake.config["privacy"]), snakemake.params, snakemake.output
    checked = read_json(snakemake.input.checked, keys=())
    scans = {
        (one["person"], one["session"]): site.digests(
            {one["person"]: checked[f"{params.cohort}/{one['name']}"]}
        )[one["person"]]
        for one in params.scans
    }
    accounts = site.accounts(read_seen(Path(made.runs).parents[1]))
    tables = {
        made.runs: tabulate_runs(accounts, delta=site.delta),
        made.people: tabulate_people(accounts, scans=scans, epsilon=site.epsilon, delta=site.delta),
    }
    for path, table in tables.items():
        with atomic_path(Path(path)) as partial:
            table.to_csv(partial, index=False)
