"""Train one U-Net on few patients of another cohort, from scratch or from the chosen U-Net of a source."""

from pathlib import Path

from privessel.cohort.patches import load_pairs
from privessel.files.lock import SILENT_MINUTES, lock
from privessel.files.reading import read_json
from privessel.files.script import logged
from privessel.seeds import derive
from privessel.unet.loop import save_run, train
from privessel.unet.net import TrainedUNet, UNetShape

weights = Path(snakemake.output.weights)

with logged(snakemake.log[0]), lock(weights.parent / ".lock", silent_minutes=SILENT_MINUTES) as beat:
    params, training, start = snakemake.params, dict(snakemake.params.training), None
    if snakemake.input.get("selection"):
        setting = read_json(snakemake.input.selection, keys=["setting"])["setting"]
        start = next(path for path in snakemake.input.starts if Path(path).parent.name == setting)
        start = TrainedUNet.load(Path(start))
    images, labels = load_pairs([Path(path) for path in snakemake.input.pairs])
    trained, history = train(
        images,
        labels,
        shape=UNetShape(filters=training.pop("filters"), dropout=training.pop("dropout")),
        seed=derive(params.seed, "transfer", *map(str, snakemake.wildcards)),
        start=start,
        resume=weights.parent / ".resume",
        beat=beat,
        **training,
    )
    history_csv = Path(snakemake.output.history)
    save_run(trained, history, weights=weights, history_csv=history_csv, resume=weights.parent / ".resume")
