"""Make the brain mask of a T1w scan by a tool of others, on the scan's own grid."""

from pathlib import Path

from privessel.deid.brain import make_brain, write_brain
from privessel.deid.native import read_native
from privessel.errors import CohortError
from privessel.files.script import logged

with logged(snakemake.log[0]):
    image = Path(snakemake.params.image)
    try:
        scan = read_native(image)
        brain = make_brain(snakemake.params.tool, scan)
    except CohortError as problem:
        raise CohortError(f"scan {snakemake.wildcards.scan}: {image} {problem}.") from problem
    write_brain(Path(snakemake.output[0]), brain, scan)
