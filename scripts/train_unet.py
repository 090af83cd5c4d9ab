"""Train one U-Net with one setting on one source of labelled patches: patients', phantoms' or synthetic."""

from pathlib import Path

import numpy as np

from privessel.cohort.patches import load_pairs
from privessel.files.lock import SILENT_MINUTES, lock
from privessel.files.script import logged
from privessel.seeds import derive
from privessel.unet.loop import save_run, train
from privessel.unet.net import UNetShape

weights = Path(snakemake.output.weights)

with logged(snakemake.log[0]), lock(weights.parent / ".lock", silent_minutes=SILENT_MINUTES) as beat:
    params, keys, setting = snakemake.params, dict(snakemake.params.training), dict(snakemake.params.setting)
    seed = derive(params.seed, "unet", snakemake.wildcards.source, snakemake.wildcards.setting)
    images, labels = load_pairs([Path(path) for path in snakemake.input.pairs])
    if params.shuffled:
        labels = np.random.default_rng(seed).permutation(labels)
    trained, history = train(
        images,
        labels,
        shape=UNetShape(filters=keys.pop("filters"), dropout=setting.pop("dropout")),
        seed=seed,
        start=None,
        resume=weights.parent / ".resume",
        beat=beat,
        **setting,
        **keys,
    )
    save_run(
        trained,
        history,
        weights=weights,
        history_csv=Path(snakemake.output.history),
        resume=weights.parent / ".resume",
    )
