"""Extract the features of real patches: of training patients, of their halves, and of test patients."""

from pathlib import Path

import numpy as np
import torch

from privessel.device import pick_device
from privessel.files.atomic import atomic_path
from privessel.files.script import logged
from privessel.quality.features import choose_extractor, extract
from privessel.quality.images import halve, sample_images
from privessel.seeds import derive

with logged(snakemake.log[0]):
    params, weights = snakemake.params, snakemake.input.get("weights")
    torch.set_num_threads(params.threads)
    extractor, device = choose_extractor(Path(weights) if weights else None), pick_device(params.device)
    sets = {name: [Path(path) for path in snakemake.input[name]] for name in ("train", "test")}
    sets |= halve(sets["train"], seed=derive(params.seed, "quality", "halves"))
    features = {}
    for name, paths in sets.items():
        images = sample_images(paths, n=params.images, seed=derive(params.seed, "quality", name))
        features[name] = extract(images, extractor=extractor, device=device)
    with atomic_path(Path(snakemake.output[0])) as partial:
        np.savez(partial, extractor=extractor.name, **features)
