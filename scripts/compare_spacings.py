"""Say how the cohorts of a study differ in the size of their voxels."""

import logging
from pathlib import Path

from privessel.cohort.spacing import compare_spacings, read_spacings
from privessel.files.atomic import atomic_path
from privessel.files.script import logged

with logged(snakemake.log[0]):
    params = snakemake.params
    found = {name: read_spacings(list(map(Path, tables))) for name, tables in params.tables.items()}
    said = compare_spacings(found, trained=params.trained, size=params.size)
    for sentence in said:
        logging.getLogger("privessel").warning("warning: %s", sentence)
    with atomic_path(Path(snakemake.output[0])) as partial:
        partial.write_text(
            "\n".join(said or ["The voxels of all cohorts are alike."]) + "\n", encoding="utf-8"
        )
