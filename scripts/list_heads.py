"""List digests of all checked scans; refuse faulty ones, two people with one, and scans in the results."""

import json
from pathlib import Path

from privessel.cohort.outcome import require_usable
from privessel.deid.intake import REMEDY, check_sources_outside
from privessel.deid.likeness import mark_shared_scans
from privessel.files.atomic import atomic_path
from privessel.files.reading import read_json
from privessel.files.script import logged

with logged(snakemake.log[0]):
    scans, made = snakemake.params.scans, Path(snakemake.output[0])
    sources = {f"{one['cohort']}: scan {one['name']}": Path(one["image"]) for one in scans}
    check_sources_outside(sources, made.parents[1])
    outcomes = [read_json(path, keys=["problems", "warnings"]) for path in snakemake.input]
    people = [(f"{one['cohort']}/{one['person']}", one["session"]) for one in scans]
    outcomes = mark_shared_scans(dict(zip(people, outcomes, strict=True)))
    require_usable(outcomes, kind="scans of heads", remedy=REMEDY)
    names = [f"{one['cohort']}/{one['name']}" for one in scans]
    with atomic_path(made) as partial:
        named = {name: outcome["sha256"] for name, outcome in zip(names, outcomes, strict=True)}
        partial.write_text(json.dumps(named, indent=1) + "\n")
