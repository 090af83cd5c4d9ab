"""Audit single steps of a private U-Net at one level, by the code that trains it and without any patches."""

from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch

from privessel.audit.unet_steps import audit_unet_steps
from privessel.device import pick_device
from privessel.files.atomic import atomic_path
from privessel.files.script import logged
from privessel.privacy.keys import Stream, public_key
from privessel.private_unet.run import PrivateUNetRun, split_settings
from privessel.study.names import PRIVATE_UNET
from privessel.unet.net import TrainedUNet

with logged(snakemake.log[0]):
    params, level = snakemake.params, snakemake.wildcards.level
    settings, machine = split_settings(params.training)
    torch.set_num_threads(machine["threads"])
    run = PrivateUNetRun(level, 1, params.cohort)
    found = audit_unet_steps(
        TrainedUNet.load(Path(snakemake.input.start)),
        run.training(None, **settings),
        stream=Stream(public_key(seed=params.seed, name=f"steps of {run.name}"), threads=machine["threads"]),
        guesses=params.guesses,
        confidence=params.confidence,
        device=pick_device(machine["device"]).type,
    )
    with atomic_path(Path(snakemake.output.steps)) as partial:
        row = {"arch": PRIVATE_UNET, "level": level, **asdict(found)}
        pd.DataFrame([row]).to_csv(partial, index=False)
