"""Take pairs of every level's best run by validation, of a patient and of public phantoms, for figure 2."""

from pathlib import Path

import numpy as np

from privessel.cohort.patches import load_pairs, rescale
from privessel.files.atomic import atomic_path
from privessel.files.script import logged
from privessel.files.tables import read_table
from privessel.scores.choice import choose_levels

SHOWN = 6

with logged(snakemake.log[0]):
    params, given = snakemake.params, snakemake.input
    levels = choose_levels(read_table(given.scores))
    files = dict(zip(params.pairs, given.pairs, strict=True))
    sets = [load_pairs([Path(files[source])]) for source in levels["source"]]
    cut = [load_pairs([Path(path)]) for path in (given.real, *given.rivals)]
    # Vessel-centred patches lie before the others.
    some = [np.linspace(0, len(labels) - 1, SHOWN).astype(int) for _, labels in cut]
    shown = zip(cut, some, strict=True)
    cut = [
        (rescale(images[chosen], 0, 255).astype(np.uint8), labels[chosen])
        for (images, labels), chosen in shown
    ]
    free = len(params.rivals)
    data = {
        "image": np.stack([images[:SHOWN] for images, _ in cut + sets]),
        "label": np.stack([labels[:SHOWN] for _, labels in cut + sets]),
        "level": np.array(["real", *params.rivals, *levels["level"]]),
        "eps": np.array([np.nan, *[0.0] * free, *levels["eps"]]),
        "eps_published": np.array([np.nan, *[np.nan] * free, *levels["eps_published"]]),
    }
    with atomic_path(Path(snakemake.output[0])) as partial:
        np.savez_compressed(partial, **data)
