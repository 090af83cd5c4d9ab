"""Train one GAN once more, with canaries among its patches, for the audit of its promise."""

from dataclasses import fields
from functools import partial
from pathlib import Path

import torch
from privessel.audit_run import AuditRun
from privessel.canaries import GradientWatch
from privessel.device import pick_device
from privessel.gans import GanShape
from privessel.job import logged
from privessel.patches import load
from privessel.privacy.site import Site
from privessel.train_gan import train

SHAPE = [field.name for field in fields(GanShape) if field.name != "patch"]

with logged(snakemake.log[0]):
    params, named, keys = snakemake.params, snakemake.wildcards, dict(snakemake.params.training)
    device, threads = pick_device(keys.pop("device")).type, keys.pop("threads")
    torch.set_num_threads(threads)
    seconds = keys.pop("checkpoint_seconds")
    files = ([Path(path) for path in snakemake.input[name]] for name in ("patches", "public"))
    patches, public = (load(each, scale=(-1, 1)) for each in files)
    plan = params.plan | {"seed": params.seed, "reference": (public.image, public.label)}
    run = AuditRun(named.arch, named.level, int(named.run), params.cohort, **plan)
    shape = GanShape(patch=params.patch_size, **{key: keys.pop(key) for key in SHAPE})
    training = run.training(patches, **keys, **params.privacy)  # eps-5 is calibrated without canaries
    identity = run.identity(
        shape=shape, training=training, arrays=(patches.image, patches.label, patches.patient_index),
        code=map(Path, snakemake.input.code), device=device, threads=threads,
    )  # fmt: skip
    site = None if params.public else Site.described(snakemake.config["privacy"])
    audited = run.insert(patches, training=training, site=site, identity=identity)
    probes = run.probes(background=training.label_background, device=device)
    train(
        images=audited.image, labels=audited.label, patients=audited.patient_index, validation=None,
        shape=shape, training=training, identity=identity, folder=Path(snakemake.output.privacy).parent,
        source=run.source(
            seed=params.seed, site=site, identity=identity, training=training, patches=audited,
            patients=patches.patients, scans=Path(snakemake.input.patients)),
        device=device, checkpoint_seconds=seconds, record=partial(run.record, training, audited),
        watch=GradientWatch(probes, genuine=len(patches.image), every=run.every),
    )  # fmt: skip
