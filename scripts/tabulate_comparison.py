"""Set this study's results beside the published ones."""

from pathlib import Path

import pandas as pd

from privessel.figures.published import published_data
from privessel.files.atomic import atomic_path
from privessel.files.script import logged
from privessel.files.tables import read_table
from privessel.scores.transfer import COLUMNS

with logged(snakemake.log[0]):
    given = snakemake.input
    published, scores, quality = (read_table(path) for path in (given.published, given.scores, given.quality))
    transfer = read_table(given.transfer) if given.transfer else pd.DataFrame(columns=COLUMNS)
    with atomic_path(Path(snakemake.output[0])) as partial:
        published_data(published, scores, quality, transfer).to_csv(partial, index=False)
