"""Take a vote's own U-Net among those that validation patients choose from."""

import shutil
from pathlib import Path

from privessel.files.atomic import atomic_path
from privessel.files.script import logged

with logged(snakemake.log[0]), atomic_path(Path(snakemake.output[0])) as partial:
    shutil.copyfile(snakemake.input[0], partial)
