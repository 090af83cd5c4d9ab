"""Segment whole volumes with one U-Net, the chosen setting's where there is a choice, and score them."""

from functools import partial
from pathlib import Path

import torch

from privessel.cohort.table import Patient
from privessel.files.reading import read_json
from privessel.files.script import logged
from privessel.scores.evaluation import evaluate_patients
from privessel.unet.net import TrainedUNet
from privessel.unet.prediction import THRESHOLD, predict_probability

with logged(snakemake.log[0]):
    params, weights = snakemake.params, snakemake.input.weights
    torch.set_num_threads(params.threads)
    if snakemake.input.get("selection"):
        setting = read_json(snakemake.input.selection, keys=["setting"])["setting"]
        weights = next(path for path in weights if Path(path).parent.name == setting)
    predict = partial(
        predict_probability, TrainedUNet.load(Path(weights)), device=params.device, **params.prediction
    )
    evaluate_patients(
        [Patient(**record) for record in params.patients],
        lambda scan: predict(scan.image, scan.brain) > THRESHOLD,
        patch_size=params.patch_size,
        rows=[Path(path) for path in snakemake.output.metrics],
        masks=[Path(path) for path in snakemake.output.get("predictions", [])],
        table=Path(snakemake.output.table),
    )
