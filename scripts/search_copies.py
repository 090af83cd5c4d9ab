"""Look for copies of training patches in a synthetic set; the report is for the owner and stays inside."""

from functools import partial
from pathlib import Path

from threadpoolctl import threadpool_limits

from privessel.cohort.patches import load, load_pairs
from privessel.files.atomic import atomic_path
from privessel.files.script import logged
from privessel.release.copies import find_copies, write_copies

with logged(snakemake.log[0]), threadpool_limits(limits=snakemake.threads):
    images, labels = load_pairs([Path(snakemake.input.pairs)])
    found = find_copies(images, labels, [partial(load, [Path(path)]) for path in snakemake.input.patches])
    # No word of what was found in the log: it may be shown to others.
    with atomic_path(Path(snakemake.output[0])) as partial_file:
        write_copies(partial_file, found)
