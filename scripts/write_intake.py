"""Write the page of all checked patients, with a picture of each."""

from pathlib import Path

from privessel.cohort.likeness import mark_repeated
from privessel.cohort.outcome import read_outcomes
from privessel.cohort.spacing import find_differences
from privessel.cohort.unusual import Usual, add_unusual
from privessel.files.atomic import atomic_path
from privessel.files.script import logged
from privessel.report.intake import render_intake

with logged(snakemake.log[0]):
    params = snakemake.params
    outcomes = mark_repeated(read_outcomes(snakemake.input.outcomes))
    outcomes = add_unusual(outcomes, Usual(**params.usual))
    differences = find_differences(outcomes, trained=params.trained, size=params.size)
    page = render_intake(
        study=params.study,
        public=params.public,
        outcomes=outcomes,
        pictures=[Path(path) for path in snakemake.input.pictures],
        notices=[*params.notices, *differences],
    )
    with atomic_path(Path(snakemake.output[0])) as partial:
        partial.write_text(page, encoding="utf-8")
