"""Write the participants table and the dataset descriptions of a phantom cohort."""

from pathlib import Path

from privessel.files.script import logged
from privessel.phantom import write_table

with logged(snakemake.log[0]):
    write_table(Path(snakemake.params.root), snakemake.params.splits, name=snakemake.wildcards.cohort)
