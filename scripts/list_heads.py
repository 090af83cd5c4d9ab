"""List the checked scans of heads; refuse two people with one scan, and scans that lie in the results."""

import csv
from pathlib import Path

from privessel.deid.intake import check_shared_scans, check_sources_outside
from privessel.files.atomic import atomic_path
from privessel.files.reading import read_json
from privessel.files.script import logged

KEYS = ("person", "session", "sha256")

with logged(snakemake.log[0]):
    sources = {
        f"{one['person']}, session {one['session']}": Path(one["image"]) for one in snakemake.params.scans
    }
    check_sources_outside(sources, Path(snakemake.output[0]).parents[1])
    records = [read_json(path, keys=KEYS) for path in snakemake.input]
    check_shared_scans({(one["person"], one["session"]): one["sha256"] for one in records})
    with atomic_path(Path(snakemake.output[0])) as partial, partial.open("w", newline="") as file:
        table = csv.DictWriter(file, KEYS, extrasaction="ignore")
        table.writeheader()
        table.writerows(records)
