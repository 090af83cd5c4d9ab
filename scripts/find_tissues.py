"""Find brain tissues in the heads that one method makes of a cohort, and compare them with a reference."""

from pathlib import Path

from privessel.deid.utility import HeadFiles, measure_tissues
from privessel.files.arrays import write_arrays
from privessel.files.atomic import atomic_path
from privessel.files.reading import read_arrays
from privessel.files.script import logged

with logged(snakemake.log[0]):
    params, given, made = snakemake.params, snakemake.input, snakemake.output
    files = HeadFiles(
        params.scans,
        frames=list(map(Path, given.frames)),
        gammas=list(map(Path, given.gammas)),
        hulls=dict(zip([params.hull] * len(given.hulls), map(Path, given.hulls), strict=True)),
        made={params.hull: list(map(Path, given.made))},
        average=read_arrays(given.average)["image"],
    )
    reference = Path(given.reference[0]) if given.reference else None
    table, labels = measure_tissues(snakemake.wildcards.method, files, references=reference)
    write_arrays(Path(made.labels), **labels)
    with atomic_path(Path(made.table)) as partial:
        table.to_csv(partial, index=False, float_format="%.4f")
