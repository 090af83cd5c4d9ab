"""Train one private U-Net: from a public start on with the training patients, by noisy gradients."""

from pathlib import Path

from privessel.files.script import logged
from privessel.privacy.site import Site
from privessel.private_unet.run import PrivateUNetRun, train_private_unet

with logged(snakemake.log[0]):
    params, given, wildcards = snakemake.params, snakemake.input, snakemake.wildcards
    # Read from the config and not a parameter of the rule: a new budget must not rerun finished runs.
    site = None if params.public else Site.from_config(snakemake.config["privacy"])
    train_private_unet(
        PrivateUNetRun(wildcards.level, int(wildcards.run), params.cohort),
        map(Path, given.patches),
        start=(params.start, Path(given.start)),
        settings=params.training,
        source_of={"seed": params.seed, "site": site, "scans": Path(given.patients)},
        code=map(Path, params.step),
        folder=Path(snakemake.output.privacy).parent,
    )
