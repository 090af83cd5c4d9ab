"""Draw a figure on heads from its data alone."""

from pathlib import Path

from privessel.figures.registry import load
from privessel.figures.style import save
from privessel.files.reading import read_arrays
from privessel.files.script import logged
from privessel.files.tables import read_table

with logged(snakemake.log[0]):
    path, draw = Path(snakemake.input.data), load(snakemake.params.draw)
    data = read_table(path) if path.suffix == ".csv" else read_arrays(path)
    save(draw(data), Path(snakemake.output.pdf), Path(snakemake.output.png))
