"""Train one GAN of labelled patches at one privacy level."""

from pathlib import Path

from privessel.files.script import logged
from privessel.gan.job import Settings, train_run
from privessel.gan.run import GanRun
from privessel.privacy.site import Site

with logged(snakemake.log[0]):
    params, wildcards = snakemake.params, snakemake.wildcards
    train_run(
        GanRun(wildcards.arch, wildcards.level, int(wildcards.run), params.cohort),
        map(Path, snakemake.input.patches),
        settings=Settings.from_config(params.training, params.privacy, patch=params.patch_size),
        seed=params.seed,
        # Read from the config and not a parameter of the rule: a new budget must not rerun finished runs.
        site=None if params.public else Site.from_config(snakemake.config["privacy"]),
        scans=Path(snakemake.input.patients),
        code=map(Path, params.step),
        folder=Path(snakemake.output.privacy).parent,
    )
