"""Let the GAN of each person's fold make the heads of a cohort, in one kind of hull."""

from pathlib import Path

import torch

from privessel.deid.made import write_heads
from privessel.deid.promise import say_made
from privessel.device import pick_device
from privessel.files.atomic import atomic_path
from privessel.files.script import logged

with logged(snakemake.log[0]):
    params, given = snakemake.params, snakemake.input
    torch.set_num_threads(params.threads)
    write_heads(
        params.scans,
        gans=dict(zip(params.folds, map(Path, given.gans), strict=True)),
        gammas=list(map(Path, given.gammas)),
        hulls=Path(given.hulls[0]) if given.hulls else None,
        made=list(map(Path, snakemake.output.heads)),
        seed=params.seed,
        device=pick_device(params.device),
    )
    words = say_made(snakemake.wildcards.hull, **params.promise)
    with atomic_path(Path(snakemake.output.promise)) as partial:
        partial.write_text(words + "\n")
