"""Train one GAN once more, with canaries among its patches, for the audit of its promise."""

from functools import partial
from pathlib import Path

import torch

from privessel.audit.canaries import GradientWatch
from privessel.audit.run import AuditRun
from privessel.cohort.patches import load
from privessel.files.script import logged
from privessel.gan.loop import train
from privessel.gan.run import Settings
from privessel.privacy.site import Site

with logged(snakemake.log[0]):
    params, wildcards = snakemake.params, snakemake.wildcards
    settings = Settings.parted(params.training, patch=params.patch_size)
    torch.set_num_threads(settings.threads)
    files = ([Path(path) for path in snakemake.input[name]] for name in ("patches", "public"))
    patches, public = (load(each, scale=(-1, 1)) for each in files)
    plan = params.plan | {"seed": params.seed, "reference": (public.image, public.label)}
    run = AuditRun(wildcards.arch, wildcards.level, int(wildcards.run), params.cohort, **plan)
    training = run.training(patches, **settings.training, **params.privacy)  # eps-5 as without canaries
    identity = run.identity(
        shape=settings.shape, training=training, arrays=(patches.image, patches.label, patches.patient_index),
        code=map(Path, snakemake.input.code), device=settings.device, threads=settings.threads,
    )  # fmt: skip
    site = None if params.public else Site.described(snakemake.config["privacy"])
    audited = run.insert(patches, training=training, site=site, identity=identity)
    probes = run.probes(background=training.label_background, device=settings.device)
    train(
        images=audited.image, labels=audited.label, patients=audited.patient_index, validation=None,
        shape=settings.shape, training=training,
        source=run.source(
            seed=params.seed, site=site, identity=identity, training=training, patches=audited,
            patients=patches.patients, scans=Path(snakemake.input.patients)),
        identity=identity,
        folder=Path(snakemake.output.privacy).parent,
        device=settings.device,
        checkpoint_seconds=settings.checkpoint_seconds,
        record=partial(run.record, training, audited),
        watch=GradientWatch(probes, genuine=len(patches.image), every=run.every),
    )  # fmt: skip
