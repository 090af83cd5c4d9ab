"""Place real images, the best runs' (by validation) and the phantoms' in one t-SNE, for figures 9 and S1."""

from pathlib import Path

import numpy as np

from privessel.figures.embedding import fig9_data
from privessel.files.arrays import write_arrays
from privessel.files.script import logged
from privessel.files.tables import read_table
from privessel.quality.embedding import choose_sets, embed
from privessel.quality.images import sample_images
from privessel.seeds import derive

with logged(snakemake.log[0]):
    params = snakemake.params
    shown = choose_sets(read_table(snakemake.input.scores))
    images = [
        sample_images(params.files[source], n=params.images, seed=derive(params.seed, "t-SNE", source))
        for source in shown["source"]
    ]
    position = embed(np.concatenate(images), perplexity=params.perplexity, seed=derive(params.seed, "t-SNE"))
    write_arrays(Path(snakemake.output[0]), **fig9_data(shown, images, position))
