"""Points, boxes, reference lines and tick labels of figures that show scores against the privacy level."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import ScaledTranslation, blended_transform_factory

from privessel.figures.looks import LEVEL_COLOURS, LineLook, assign_lines
from privessel.figures.style import PALETTE, SMALL
from privessel.scores.formatting import eps_columns, format_eps, format_noise, format_score
from privessel.scores.tally import name_unit
from privessel.study.names import PRIVATE_UNET, VOTE

_BOX_FROM = 3  # runs; the quartiles of two would say nothing
_EPS_NAMES = {"published": "published ε"}
_BAR = 0.2  # how far right of its point the bar of a confidence interval stands
_LINE_HEIGHT = 0.125  # inches between the names of two reference lines


def set_scale(axes: Axes, part: pd.DataFrame, *, log: bool) -> None:
    """Set the y axis: 0 to 1, or logarithmic around the columns value, sd, low and high."""
    if not log:
        axes.set_ylim(-0.02, 1.0)
        axes.set_yticks(np.arange(0, 1.01, 0.2))
        return
    sd = part["sd"].fillna(0)
    ends = pd.concat([part["value"], part["value"] + sd, part["value"] - sd, part["low"], part["high"]])
    smallest = part["value"][part["value"] > 0].min()
    # An arm that comes near zero, or passes it, may leave the panel: a logarithmic axis cannot reach it.
    ends = ends[ends > 0.3 * smallest] if np.isfinite(smallest) else pd.Series([1.0])
    axes.set_yscale("log")
    axes.set_ylim(ends.min() / 1.35, ends.max() * 1.35)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if ends.max() < 50 * ends.min() else (1,)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def draw_runs(axes: Axes, position: int, points: pd.DataFrame) -> None:
    """Draw one level's runs as points, over a box of their quartiles from three runs on."""
    colour = LEVEL_COLOURS[points["kind"].iloc[0]]
    if len(points) >= _BOX_FROM:
        thin, thick = {"color": colour, "linewidth": 0.8}, {"color": colour, "linewidth": 1.6}
        look = {"boxprops": thin, "whiskerprops": thin, "capprops": thin, "medianprops": thick, "zorder": 2}
        axes.boxplot(
            points["value"], positions=[position], widths=0.5, showfliers=False, manage_ticks=False, **look
        )
    across = (np.arange(len(points)) - (len(points) - 1) / 2) * 0.09
    for x, row in zip(position + across, points.itertuples(), strict=True):
        _draw_point(axes, x, row.value, colour=colour, hollow=row.empty == row.scored, size=3.2)


def draw_best(axes: Axes, position: int, row: pd.Series) -> None:
    """Draw one level's best run: a point, an arm of one SD to either side, beside it a bar, its interval."""
    colour, bottom = LEVEL_COLOURS[row["kind"]], axes.get_ylim()[0]
    if np.isfinite(row["sd"]):
        low, high = row["value"] - row["sd"], row["value"] + row["sd"]
        axes.vlines(position, max(low, bottom), high, color=colour, linewidth=1.0, zorder=2)
        ends = [end for end in (low, high) if end > bottom]
        axes.hlines(ends, position - 0.1, position + 0.1, color=colour, linewidth=1.0, zorder=2)
    if np.isfinite(row["low"]):
        low, high = (max(end, bottom) for end in (row["low"], row["high"]))
        axes.vlines(position + _BAR, low, high, color=colour, linewidth=3.0, zorder=2)
    hollow = row["empty"] == row["scored"]
    _draw_point(axes, position, row["value"], colour=colour, hollow=hollow, size=4.5)


def draw_lines(axes: Axes, references: pd.DataFrame) -> None:
    """Draw the references as horizontal lines with names at the right, moved apart where they would touch.

    references: the columns `source` and `value`; a source without a value has no line.
    """
    looks = assign_lines(references["source"])
    lines = references[references["value"].notna()]
    draw_named_lines(axes, lines["value"], looks=[looks[source] for source in lines["source"]])


def draw_named_lines(axes: Axes, lines: Sequence[float], *, looks: Sequence[LineLook]) -> None:
    """Draw horizontal lines as `draw_lines` does, at these values and with a look for each."""
    bottom = axes.get_ylim()[0]
    to_axes = axes.transData + axes.transAxes.inverted()
    values = [max(value, bottom) for value in lines]
    heights = [float(to_axes.transform((0, value))[1]) for value in values]
    # In the margin x counts inches from the right edge of the panel, y the share of its height.
    inches = axes.figure.dpi_scale_trans + ScaledTranslation(1, 0, axes.transAxes)
    margin = blended_transform_factory(inches, axes.transAxes)
    apart = _LINE_HEIGHT / (axes.get_position().height * axes.figure.get_size_inches()[1])
    for value, look, height, place in zip(lines, looks, heights, spread(heights, apart=apart), strict=True):
        axes.axhline(value, color=look.colour, linestyle=look.dashes, linewidth=1.0, zorder=1)
        leader = ([0.03, 0.08, 0.18, 0.23], [height, height, place, place])
        axes.add_line(Line2D(*leader, transform=margin, color=look.colour, linewidth=0.8, clip_on=False))
        text = f"{look.label}  {format_score(value)}"
        axes.text(0.26, place, text, transform=margin, va="center", fontsize=SMALL)


def label_levels(axes: Axes, levels: pd.DataFrame) -> None:
    """Write under each position its eps of patient, region and patch, as published, and the noise multiplier.

    Where the patient is the privacy unit, one eps covers all three. A row of epochs is added if they differ.
    """
    rows = [
        (_EPS_NAMES.get(whose, f"ε of a {whose}"), [format_eps(eps) for eps in levels[column]])
        for whose, column in eps_columns(name_unit(levels)).items()
    ]
    # The paper published nothing like a private U-Net, so its name stands in that row.
    name, published = rows[-1]
    told = zip(levels["kind"], published, strict=True)
    rows[-1] = (name, ["U-Net" if kind == PRIVATE_UNET else eps for kind, eps in told])
    noises = zip(levels["kind"], levels["noise_multiplier"], strict=True)
    rows.append(("noise multiplier", ["vote" if kind == VOTE else format_noise(one) for kind, one in noises]))
    if levels["epoch"].nunique() > 1:
        rows.append(("epoch", [f"{epoch:g}" if np.isfinite(epoch) else "–" for epoch in levels["epoch"]]))
    for k, (name, texts) in enumerate(rows):
        look = {"fontsize": 7, "fontweight": "bold"} if k == 0 else {"fontsize": SMALL}
        below = -5 - 10.5 * k
        look |= {"textcoords": "offset points", "va": "top"}
        axes.annotate(name, (0, 0), (-6, below), xycoords="axes fraction", ha="right", **look)
        for x, text in enumerate(texts):
            axes.annotate(text, (x, 0), (0, below), xycoords=axes.get_xaxis_transform(), ha="center", **look)


def depth_of_labels(levels: pd.DataFrame) -> float:
    """Return how many inches `label_levels` takes below the axis."""
    more = len(eps_columns(name_unit(levels))) - 2 + (levels["epoch"].nunique() > 1)
    return 0.62 + more * 10.5 / 72


def write_inside(axes: Axes, x: float, text: str, *, xdata: bool) -> None:
    """Write half-way up the panel: upright at a position of the x axis, or level at a share of the width."""
    transform = axes.get_xaxis_transform() if xdata else axes.transAxes
    look = {"ha": "center", "va": "center", "color": PALETTE["grey"], "fontsize": SMALL}
    look["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 1.0}
    axes.text(x, 0.5, text, transform=transform, rotation=90 if xdata else 0, **look)


def spread(heights: Sequence[float], *, apart: float) -> np.ndarray:
    """Move positions in [0, 1] as little as needed to lie `apart`, keeping their order and within [0, 1]."""
    order = np.argsort(heights, kind="stable")
    offsets = apart * np.arange(len(order))
    # With the offsets subtracted, names lie `apart` if their positions do not fall. Positions that fall are
    # replaced by their mean, which moves them least (isotonic regression by pooling adjacent violators).
    groups: list[list[float]] = []
    for height in np.asarray(heights, float)[order] - offsets:
        groups.append([height])
        while len(groups) > 1 and np.mean(groups[-2]) > np.mean(groups[-1]):
            falling = groups.pop()
            groups[-1] += falling
    places = np.array([np.mean(group) for group in groups for _ in group])
    places = np.clip(places, 0, max(1 - apart * (len(order) - 1), 0)) + offsets
    result = np.empty(len(order))
    result[order] = places
    return result


def _draw_point(axes: Axes, x: float, y: float, *, colour: str, hollow: bool, size: float) -> None:
    look = {"markeredgecolor": colour, "markeredgewidth": 0.9, "zorder": 3, "clip_on": False}
    face = "white" if hollow else colour
    axes.plot([x], [max(y, axes.get_ylim()[0])], "o", markersize=size, markerfacecolor=face, **look)
