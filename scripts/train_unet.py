"""Train one U-Net with one setting on one source of labelled patches: patients', phantoms' or synthetic."""

from pathlib import Path

from privessel.job import logged
from privessel.pairs import load_pairs
from privessel.seeds import derive
from privessel.train_unet import save_run, train
from privessel.unet import UNetShape

with logged(snakemake.log[0]):
    params, setting = snakemake.params, dict(snakemake.params.setting)
    seed = derive(params.seed, "unet", snakemake.wildcards.source, snakemake.wildcards.setting)
    images, labels = load_pairs([Path(path) for path in snakemake.input.pairs], shuffle=seed if params.shuffled else None)
    training = dict(params.training)
    shape = UNetShape(filters=training.pop("filters"), dropout=setting.pop("dropout"))
    weights = Path(snakemake.output.weights)
    resume = weights.parent / ".resume"
    trained, history = train(images, labels, shape=shape, seed=seed, resume=resume, **setting, **training)
    save_run(trained, history, weights=weights, history_csv=Path(snakemake.output.history), resume=resume)
