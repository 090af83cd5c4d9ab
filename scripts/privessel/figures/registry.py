"""Every figure and table that a study may have: its title, its data and how it is drawn, one line each.

The rules read this module when the workflow is parsed, so it imports nothing but the standard library. The
functions behind a figure are imported when they are asked for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

NEEDS = {
    "private": "a private level",
    "second cohort": "a second test cohort",
    "compared": "other architectures to compare with",
    "transfer": "transfer learning",
    "epochs": "a study of epochs",
    "audit": "audited levels; the figure belongs to the target `audit` and is no part of the report",
}


@dataclass(frozen=True)
class FigureEntry:
    """One figure or printed table; its caption is `report/{name}.rst`.

    `module` is the module of `privessel.figures` with the drawing function `function` (data -> matplotlib
    figure) and the data function `{function}_data`; `function` is the figure's name unless it is given.
    """

    name: str
    title: str  # the heading in the report
    listed: int  # place among the pictures of summary.txt; the report goes by the order of FIGURES
    module: str
    function: str = ""
    table: str | None = None  # tables/{table}.csv, where the data come from this one table
    seeded: bool = False  # whether the data function takes the keyword `seed`, for bootstrap intervals
    pixels: bool = False  # shows images of patients or of generators, so the data are an .npz and no .csv
    data_of: str | None = None  # the figure whose data this one draws, if it has none of its own
    needs: frozenset[str] = frozenset()  # what a study must have for this figure, keys of NEEDS

    @property
    def draw(self) -> str:
        """The drawing function, `module:function`, see `load`."""
        return f"{self.module}:{self.function or self.name}"

    @property
    def tabulate(self) -> str | None:
        """The function that makes the data, `module:function`; None where another figure's data are drawn."""
        return None if self.data_of else f"{self.draw}_data"

    @property
    def data_file(self) -> str:
        """The name of the file that is drawn, below `figures/`."""
        return f"{self.data_of or self.name}.{'npz' if self.pixels else 'csv'}"

    @property
    def module_name(self) -> str:
        """The whole name of the module, which scripts import without naming it: it decides their result."""
        return f"privessel.figures.{self.module}"


_PIXELS = {"pixels": True}
_SCORES, _QUALITY = {"table": "scores"}, {"table": "quality"}
_SEEDED = {"table": "scores", "seeded": True}
_PRIVATE, _AUDIT = {"needs": frozenset({"private"})}, {"needs": frozenset({"audit"})}
_LOWEST = {"pixels": True, "needs": frozenset({"private", "second cohort"})}
_EPOCHS, _TRANSFER, _GANS = ({"needs": frozenset({flag})} for flag in ("epochs", "transfer", "compared"))
_E = FigureEntry
# In the order of the report.
_ENTRIES = (
    _E("table1", "Table 1: scores in one view", 11, "table", **_SEEDED),
    _E("comparison", "Published and found", 12, "published", "published"),
    _E("fig3", "Figure 3: segmentation against the privacy level", 2, "scores", **_SEEDED),
    _E("fig5", "Figure 5: the second cohort", 4, "scores", **_SEEDED),
    _E("statistics", "Paired tests between levels", 13, "significance", **_SEEDED),
    _E("fig2", "Figure 2: labelled pairs", 1, "pairs", **_PIXELS),
    _E("fig4", "Figure 4: error maps per level", 3, "errors", **_PIXELS),
    _E("fig7", "Figure 7: errors of the best private model", 6, "errors", **_PIXELS, **_PRIVATE),
    _E("figS2", "Figure S2: the levels of lowest eps on the second cohort", 10, "errors", "fig4", **_LOWEST),
    _E("fig6", "Figure 6: distance to real images", 5, "quality", **_QUALITY),
    _E("fig8", "Figure 8: similarity of images", 7, "quality", **_QUALITY),
    _E("fig9", "Figure 9: t-SNE, points", 8, "embedding", **_PIXELS),
    _E("figS1", "Figure S1: t-SNE, images", 9, "embedding", data_of="fig9", **_PIXELS),
    _E("epochs", "Which epoch is best", 16, "epochs", table="epochs", **_EPOCHS),
    _E("gan_comparison", "Four GANs (2021)", 14, "gans", **_SCORES, **_GANS),
    _E("transfer", "Transfer learning (2021)", 15, "transfer", table="transfer", **_TRANSFER),
    _E("utility_privacy", "Utility against privacy", 17, "audit", seeded=True, **_AUDIT),
    _E("attacks", "Attacks on membership", 18, "attacks", **_AUDIT),
)  # fmt: skip
FIGURES: dict[str, FigureEntry] = {entry.name: entry for entry in _ENTRIES}


def load(name: str) -> Callable[..., Any]:
    """Import the function that an entry's `draw` or `tabulate` names, `module:function`."""
    module, function = name.split(":")
    return getattr(import_module(f"privessel.figures.{module}"), function)
