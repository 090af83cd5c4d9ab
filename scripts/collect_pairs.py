"""Take the first pairs of every level's best run by validation, and some of a patient's, for figure 2."""

from pathlib import Path

import numpy as np
from privessel.atomic import atomic_path
from privessel.figures.choice import choose_levels
from privessel.figures.tally import read_table
from privessel.job import logged
from privessel.patches import load, rescale

SHOWN = 6

with logged(snakemake.log[0]):
    scores = read_table(snakemake.input.scores)
    levels = choose_levels(scores)
    files = dict(zip(snakemake.params.pairs, snakemake.input.pairs, strict=True))
    sets = [np.load(files[source]) for source in levels["source"]]
    real = load([Path(snakemake.input.real)])
    some = np.linspace(0, len(real.image) - 1, SHOWN).astype(int)  # vessel-centred ones lie before the others
    data = {
        "image": np.stack(
            [rescale(real.image[some], 0, 255).astype(np.uint8), *(s["image"][:SHOWN] for s in sets)]
        ),
        "label": np.stack([real.label[some], *(s["label"][:SHOWN] for s in sets)]),
        "level": np.array(["real", *levels["level"]]),
        "eps": np.array([np.nan, *levels["eps"]]),
        "eps_published": np.array([np.nan, *levels["eps_published"]]),
    }
    with atomic_path(Path(snakemake.output[0])) as partial:
        np.savez_compressed(partial, **data)
