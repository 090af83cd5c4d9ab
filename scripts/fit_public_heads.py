"""Fit what is public about heads: hulls given the brain, and the average head."""

from pathlib import Path

import numpy as np

from privessel.deid.shielding import fit_public
from privessel.files.atomic import atomic_path
from privessel.files.script import logged

with logged(snakemake.log[0]):
    frames, gammas = (list(map(Path, snakemake.input[name])) for name in ("frames", "gammas"))
    model, average = fit_public(frames, gammas, rank=snakemake.params.rank)
    model.save(Path(snakemake.output.model))
    with atomic_path(Path(snakemake.output.average)) as partial, partial.open("wb") as file:
        np.savez_compressed(file, image=average)
