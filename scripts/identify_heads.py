"""Ask whose head it is: every attacker, of every method, in both views; rates with their intervals."""

from pathlib import Path

from privessel.deid.faces import Faces
from privessel.deid.identification import ask
from privessel.files.atomic import atomic_path
from privessel.files.script import logged
from privessel.seeds import derive

with logged(snakemake.log[0]):
    params, given = snakemake.params, snakemake.input
    asked, known = (
        {name: Faces.load(Path(path)) for name, path in zip(params.methods, given[part], strict=True)}
        for part in ("asked", "known")
    )
    table = ask(asked, known, **params.study, seed=derive(params.seed, "identification"))
    with atomic_path(Path(snakemake.output[0])) as partial:
        table.to_csv(partial, index=False, float_format="%.3f")
