"""Train one GAN of labelled patches at one privacy level."""

from functools import partial
from pathlib import Path

import torch

from privessel.cohort.patches import load
from privessel.files.script import logged
from privessel.gan.loop import train
from privessel.gan.run import GanRun, Settings
from privessel.privacy.site import Site

with logged(snakemake.log[0]):
    params, wildcards = snakemake.params, snakemake.wildcards
    settings = Settings.parted(params.training, patch=params.patch_size)
    torch.set_num_threads(settings.threads)
    run = GanRun(wildcards.arch, wildcards.level, int(wildcards.run), params.cohort)
    patches = load([Path(path) for path in snakemake.input.patches], scale=(-1, 1))
    training = run.training(patches, **settings.training, **params.privacy)
    identity = run.identity(
        shape=settings.shape, training=training, arrays=(patches.image, patches.label, patches.patient_index),
        code=map(Path, snakemake.input.code), device=settings.device, threads=settings.threads,
    )  # fmt: skip
    # Not a parameter: it decides whether a run starts, and a new budget must not start finished ones again.
    site = None if params.public else Site.described(snakemake.config["privacy"])
    train(
        images=patches.image, labels=patches.label, patients=patches.patient_index, validation=None,
        shape=settings.shape, training=training,
        source=run.source(
            seed=params.seed, site=site, identity=identity, training=training, patches=patches,
            patients=patches.patients, scans=Path(snakemake.input.patients)),
        identity=identity,
        folder=Path(snakemake.output.privacy).parent,
        device=settings.device,
        checkpoint_seconds=settings.checkpoint_seconds,
        record=partial(run.record, training, patches),
    )  # fmt: skip
