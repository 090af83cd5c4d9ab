"""Measure one set of images: Frechet distances to real patches, and SSIM over all of its pairs."""

from functools import partial
from pathlib import Path

import pandas as pd
import torch

from privessel.device import pick_device
from privessel.files.atomic import atomic_path
from privessel.files.reading import read_arrays
from privessel.files.script import logged
from privessel.quality.distances import similarity_of_pairs
from privessel.quality.features import choose_extractor, distances_of_real, distances_to_real, extract
from privessel.quality.images import sample_images
from privessel.seeds import derive

with logged(snakemake.log[0]):
    params, given, source = snakemake.params, snakemake.input, snakemake.wildcards.source
    torch.set_num_threads(params.threads)
    files, real = [Path(path) for path in given.images], read_arrays(given.real)
    seed = partial(derive, params.seed, "quality", source)
    if source == "real":
        distances = distances_of_real(real)
    else:
        extractor = choose_extractor(Path(given.weights) if given.get("weights") else None)
        images = sample_images(files, n=params.frechet_images, seed=seed("frechet"))
        features = extract(images, extractor=extractor, device=pick_device(params.device))
        distances = distances_to_real(features, real)
    images = sample_images(files, n=params.ssim_images, seed=seed("ssim"))
    mean, sd = similarity_of_pairs(images, data_range=255)
    row = {"source": source, **distances, "ssim_mean": mean, "ssim_sd": sd}
    row |= {"images_frechet": params.frechet_images, "images_ssim": params.ssim_images}
    row["extractor"] = str(real["extractor"])
    with atomic_path(Path(snakemake.output[0])) as partial_csv:
        pd.DataFrame([row]).to_csv(partial_csv, index=False)
