"""Fit what is public about heads: hulls given the brain, and the average head."""

from pathlib import Path

from privessel.deid.shielding import fit_public
from privessel.files.arrays import write_arrays
from privessel.files.script import logged

with logged(snakemake.log[0]):
    frames, gammas = (list(map(Path, snakemake.input[name])) for name in ("frames", "gammas"))
    model, average = fit_public(frames, gammas, rank=snakemake.params.rank)
    model.save(Path(snakemake.output.model))
    write_arrays(Path(snakemake.output.average), image=average)
