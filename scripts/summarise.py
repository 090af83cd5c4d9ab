"""Write the study's closing table and where its pictures are."""

from pathlib import Path

import pandas as pd
from privessel.atomic import atomic_path
from privessel.job import logged
from privessel.summary import summary

with logged(snakemake.log[0]):
    scores = pd.read_csv(snakemake.input.scores)
    pictures = [Path(path) for path in [*snakemake.input.figures, *snakemake.input.sheets]]
    with atomic_path(Path(snakemake.output[0])) as partial:
        partial.write_text(summary(scores, figures=pictures, study=snakemake.params.study) + "\n")
