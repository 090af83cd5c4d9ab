"""Train one GAN of labelled patches at one privacy level."""

from dataclasses import fields
from pathlib import Path

import torch
from privessel.device import pick_device
from privessel.gan_run import GanRun
from privessel.gans import GanShape
from privessel.job import logged
from privessel.patches import load, rescale
from privessel.train_gan import train
from privessel.wgan import GanTraining

SHAPE = [field.name for field in fields(GanShape) if field.name != "patch"]

with logged(snakemake.log[0]):
    params, wildcards, keys = snakemake.params, snakemake.wildcards, dict(snakemake.params.training)
    device, threads = pick_device(keys.pop("device")).type, keys.pop("threads")
    torch.set_num_threads(threads)
    run = GanRun(wildcards.arch, wildcards.level, int(wildcards.run), params.cohort, public=params.public)
    patches = load([Path(path) for path in snakemake.input.patches])
    checkpoint_seconds = keys.pop("checkpoint_seconds")
    shape = GanShape(patch=params.patch_size, **{key: keys.pop(key) for key in SHAPE})
    training = GanTraining(noise_multiplier=run.noise_multiplier, delta=params.delta, **keys)
    code = [Path(path) for path in snakemake.input.code]
    identity = run.identity(
        shape=shape, training=training, patches=patches, code=code, device=device, threads=threads
    )
    train(
        images=rescale(patches.image, -1, 1),
        labels=patches.label,
        validation=None,
        shape=shape,
        training=training,
        stream=run.stream(seed=params.seed),
        identity=identity,
        folder=Path(snakemake.output.privacy).parent,
        device=device,
        checkpoint_seconds=checkpoint_seconds,
        charge=None,
        record=run.record(training, patches),
    )
