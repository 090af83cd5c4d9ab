"""Do to a cohort's heads what one method does, and measure the faces that are left."""

from pathlib import Path

from privessel.deid.methods import measure_faces
from privessel.files.reading import read_arrays
from privessel.files.script import logged

with logged(snakemake.log[0]):
    params, given = snakemake.params, snakemake.input
    faces = measure_faces(
        snakemake.wildcards.method,
        params.scans,
        frames=list(map(Path, given.frames)),
        gammas=list(map(Path, given.gammas)),
        hulls=Path(given.hulls[0]) if given.hulls else None,
        made=list(map(Path, given.made)),
        average=read_arrays(given.average)["image"],
        yaws=params.yaws,
    )
    faces.save(Path(snakemake.output[0]))
