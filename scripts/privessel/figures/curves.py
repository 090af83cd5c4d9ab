"""ROC curves of attacks, a line a level."""

from collections.abc import Mapping
from itertools import cycle
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter

from privessel.figures.marks import write_inside
from privessel.figures.style import PALETTE

_DASHES = ("-", (0, (5, 1.5)), (0, (2, 1)), (0, (6, 1, 1, 1)), (0, (1, 1)))


def choose_looks(levels: pd.DataFrame) -> dict[str, tuple[Any, Any]]:
    """Return colour and dashes of levels by rising eps: from dark to light, black without privacy."""
    private = int(np.isfinite(levels["eps"]).sum())
    shades = iter(mpl.colormaps["viridis"](np.linspace(0.0, 0.78, max(private, 1))))
    colours = [tuple(next(shades)) if np.isfinite(eps) else "black" for eps in levels["eps"]]
    return dict(zip(levels["level"], zip(colours, cycle(_DASHES), strict=False), strict=True))


def draw_curves(axes: Axes, curves: pd.DataFrame, *, looks: Mapping[str, Any], lowest: float | None) -> None:
    """Draw one attack's curves and bands; with `lowest`, both axes are logarithmic from there to 1."""
    low = lowest or 0.0
    axes.plot([low, 1], [low, 1], color=PALETTE["grey"], linewidth=0.8, linestyle=(0, (1, 1.5)), zorder=1)
    if curves.empty:
        write_inside(axes, 0.5, "no results", xdata=False)
    for level, curve in curves[curves["false_rate"] >= low].groupby("level", sort=False):
        colour, dashes = looks[level]
        rates, drawn = curve["false_rate"], curve[["value", "low", "high"]].clip(lower=low)
        axes.fill_between(rates, drawn["low"], drawn["high"], color=colour, alpha=0.13, linewidth=0, zorder=1)
        axes.plot(rates, drawn["value"], color=colour, linestyle=dashes, linewidth=1.1, zorder=2)
    axes.set_xlim(low, 1)
    axes.set_ylim(low, 1)
    if lowest:
        axes.set_xscale("log")
        axes.set_yscale("log")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        return
    ticks = [0, 0.2, 0.4, 0.6, 0.8, 1]
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
