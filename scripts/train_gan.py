"""Train one GAN of labelled patches at one privacy level."""

from dataclasses import fields
from functools import partial
from pathlib import Path

import torch
from privessel.device import pick_device
from privessel.gan_run import GanRun
from privessel.gans import GanShape
from privessel.job import logged
from privessel.patches import load
from privessel.privacy.site import Site
from privessel.train_gan import train

SHAPE = [field.name for field in fields(GanShape) if field.name != "patch"]

with logged(snakemake.log[0]):
    params, wildcards, keys = snakemake.params, snakemake.wildcards, dict(snakemake.params.training)
    device, threads = pick_device(keys.pop("device")).type, keys.pop("threads")
    torch.set_num_threads(threads)
    checkpoint_seconds = keys.pop("checkpoint_seconds")
    run = GanRun(wildcards.arch, wildcards.level, int(wildcards.run), params.cohort)
    patches = load([Path(path) for path in snakemake.input.patches], scale=(-1, 1))
    shape = GanShape(patch=params.patch_size, **{key: keys.pop(key) for key in SHAPE})
    training = run.training(patches, **keys, **params.privacy)
    code = map(Path, snakemake.input.code)
    images, labels, patients = patches.image, patches.label, patches.patient_index
    identity = run.identity(
        shape=shape, training=training, arrays=(images, labels, patients),
        code=code, device=device, threads=threads,
    )  # fmt: skip
    # Not a parameter: it decides whether a run starts, and a new budget must not start finished ones again.
    site = None if params.public else Site.described(snakemake.config["privacy"])
    train(
        images=images, labels=labels, patients=patients, validation=None, shape=shape, training=training,
        source=run.source(
            seed=params.seed, site=site, identity=identity, training=training, patches=patches,
            patients=patches.patients, scans=Path(snakemake.input.patients)),
        identity=identity,
        folder=Path(snakemake.output.privacy).parent,
        device=device,
        checkpoint_seconds=checkpoint_seconds,
        record=partial(run.record, training, patches),
    )  # fmt: skip
