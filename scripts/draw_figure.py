"""Draw a figure from its data alone."""

from pathlib import Path

from privessel.figures.audit import attacks, utility_privacy
from privessel.figures.embedding import fig9, figS1
from privessel.figures.epochs import epochs
from privessel.figures.errors import fig4, fig7
from privessel.figures.gans import gan_comparison
from privessel.figures.pairs import fig2
from privessel.figures.published import published
from privessel.figures.quality import fig6, fig8
from privessel.figures.scores import fig3, fig5
from privessel.figures.significance import statistics
from privessel.figures.style import save
from privessel.figures.table import table1
from privessel.figures.transfer import transfer
from privessel.files.reading import read_arrays
from privessel.files.script import logged
from privessel.files.tables import read_table

DRAW = {"fig2": fig2, "fig3": fig3, "fig4": fig4, "fig5": fig5, "fig6": fig6, "fig7": fig7, "fig8": fig8}
DRAW |= {"fig9": fig9, "figS1": figS1, "figS2": fig4, "table1": table1, "comparison": published}
DRAW |= {"statistics": statistics}
DRAW |= {"gan_comparison": gan_comparison, "transfer": transfer, "epochs": epochs}
DRAW |= {"utility_privacy": utility_privacy, "attacks": attacks}

with logged(snakemake.log[0]):
    path, draw = Path(snakemake.input.data), DRAW[snakemake.params.figure]
    data = read_table(path) if path.suffix == ".csv" else read_arrays(path)
    save(draw(data), Path(snakemake.output.pdf), Path(snakemake.output.png))
