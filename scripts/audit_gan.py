"""Train one GAN once more, with canaries among its patches, to audit its privacy promise."""

from pathlib import Path

from privessel.audit.run import AuditRun
from privessel.cohort.patches import load
from privessel.files.script import logged
from privessel.gan.job import Settings, train_run
from privessel.privacy.site import Site

with logged(snakemake.log[0]):
    params, wildcards = snakemake.params, snakemake.wildcards
    public = load([Path(path) for path in snakemake.input.public], scale=(-1, 1))
    train_run(
        AuditRun(
            wildcards.arch, wildcards.level, int(wildcards.run), params.cohort,
            **params.plan, seed=params.seed, reference=(public.image, public.label),
        ),
        map(Path, snakemake.input.patches),
        settings=Settings.from_config(params.training, params.privacy, patch=params.patch_size),
        seed=params.seed,
        # Read from the config and not a parameter of the rule: a new budget must not rerun finished runs.
        site=None if params.public else Site.from_config(snakemake.config["privacy"]),
        scans=Path(snakemake.input.patients),
        code=map(Path, params.step),
        folder=Path(snakemake.output.privacy).parent,
    )  # fmt: skip
