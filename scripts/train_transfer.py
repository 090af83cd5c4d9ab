"""Train one U-Net on few patients of another cohort, from scratch or from the chosen U-Net of a source."""

import json
from pathlib import Path

from privessel.job import logged
from privessel.patches import load_pairs
from privessel.seeds import derive
from privessel.train_unet import save_run, train
from privessel.unet import TrainedUNet, UNetShape

with logged(snakemake.log[0]):
    params, training, start = snakemake.params, dict(snakemake.params.training), None
    if snakemake.input.get("selection"):
        setting = json.loads(Path(snakemake.input.selection).read_text())["setting"]
        start = next(path for path in snakemake.input.starts if Path(path).parent.name == setting)
        start = TrainedUNet.load(Path(start))
    images, labels = load_pairs([Path(path) for path in snakemake.input.pairs])
    weights = Path(snakemake.output.weights)
    trained, history = train(
        images,
        labels,
        shape=UNetShape(filters=training.pop("filters"), dropout=training.pop("dropout")),
        seed=derive(params.seed, "transfer", *map(str, snakemake.wildcards)),
        start=start,
        resume=weights.parent / ".resume",
        **training,
    )
    history_csv = Path(snakemake.output.history)
    save_run(trained, history, weights=weights, history_csv=history_csv, resume=weights.parent / ".resume")
