"""Write the study's report: one HTML page with figures, tables and provenance."""

from pathlib import Path

import yaml

import privessel
from privessel.files.atomic import atomic_path
from privessel.files.script import logged
from privessel.report.page import render
from privessel.report.provenance import (
    digest_files,
    find_commit,
    list_trained_with,
    list_versions,
    sum_durations,
)

with logged(snakemake.log[0]):
    files, params = snakemake.input, snakemake.params
    # No inputs, or who clears away logs would train everything again for the sake of a report.
    measured = sorted(Path(params.logs).rglob("*.tsv"))
    provenance = {
        "software": f"privessel {privessel.__version__}",
        "commit": find_commit(Path(params.source)),
        "packages": list_versions(params.packages)
        | {f"{name}, of the GANs": found for name, found in list_trained_with(files.privacy).items()},
        "config": yaml.safe_dump(dict(params.config), sort_keys=False, allow_unicode=True),
        "digests": digest_files([*files.tables, *files.figures]),
        "durations": sum_durations(measured, root=Path(params.logs)),
    }
    page = render(
        study=params.study,
        overview=dict(params.overview) | {"summary": Path(files.summary).read_text()},
        figures=list(zip(params.names, params.titles, files.figures, files.captions, strict=True)),
        tables=list(zip(params.table_titles, files.tables, strict=True)),
        plan=Path(files.plan),
        provenance=provenance,
    )
    with atomic_path(Path(snakemake.output[0])) as partial:
        partial.write_text(page, encoding="utf-8")
