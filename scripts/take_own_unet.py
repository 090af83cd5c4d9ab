"""Take the U-Net that a source brings along, a vote's or a private one, among those that are judged."""

import shutil
from pathlib import Path

from privessel.files.atomic import atomic_path
from privessel.files.script import logged

with logged(snakemake.log[0]), atomic_path(Path(snakemake.output[0])) as partial:
    shutil.copyfile(snakemake.input[0], partial)
