"""Write the study's closing table and where its pictures are."""

from pathlib import Path

from privessel.files.atomic import atomic_path
from privessel.files.script import logged
from privessel.files.tables import read_table
from privessel.report.summary import summary

with logged(snakemake.log[0]):
    scores = read_table(snakemake.input.scores)
    pictures = [Path(path) for path in [*snakemake.input.figures, *snakemake.input.sheets]]
    votes = snakemake.input.get("votes")
    told = summary(
        scores,
        figures=pictures,
        study=snakemake.params.study,
        public=snakemake.params.public,
        expectations=read_table(votes) if votes else None,
    )
    with atomic_path(Path(snakemake.output[0])) as partial:
        partial.write_text(told + "\n")
