"""Audit single private steps of one level, by the code that trains it and without anybody's patches."""

from dataclasses import asdict
from pathlib import Path

import pandas as pd
import torch

from privessel.audit.critic_steps import audit_steps
from privessel.files.atomic import atomic_path
from privessel.files.script import logged
from privessel.gan.job import Settings
from privessel.gan.run import GanRun
from privessel.privacy.keys import Stream, public_key

with logged(snakemake.log[0]):
    params, named = snakemake.params, snakemake.wildcards
    settings = Settings.from_config(params.training, params.privacy, patch=params.patch_size)
    torch.set_num_threads(settings.threads)
    run = GanRun(named.arch, named.level, 1, params.cohort)
    found = audit_steps(
        settings.shape,
        run.planned_training(**settings.training),
        stream=Stream(public_key(seed=params.seed, name=f"steps of {run.name}"), threads=settings.threads),
        guesses=params.guesses,
        confidence=params.confidence,
        device=settings.device,
    )
    with atomic_path(Path(snakemake.output.steps)) as partial:
        row = {"arch": named.arch, "level": named.level, **asdict(found)}
        pd.DataFrame([row]).to_csv(partial, index=False)
