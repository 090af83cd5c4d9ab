"""Points, boxes, reference lines and tick labels of figures that show scores against the privacy level."""

from collections.abc import Sequence
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from matplotlib.transforms import ScaledTranslation, blended_transform_factory

from privessel.figures.style import PALETTE, SMALL, format_eps, format_noise
from privessel.scores.tally import format_score

_LINES = {
    "real": ("real patches", PALETTE["black"], "-"),
    "phantom-random": ("phantom-random (ε = 0)", PALETTE["vermillion"], (0, (6, 2))),
    "phantom-one": ("phantom-one (ε = 0)", PALETTE["purple"], (0, (3, 1.5))),
    "threshold": ("threshold (ε = 0)", PALETTE["orange"], (0, (6, 1.5, 1, 1.5))),
    "frangi": ("Frangi filter (ε = 0)", PALETTE["sky"], (0, (1, 1.2))),
}
_POINT = {"inf": PALETTE["green"], "private": PALETTE["blue"]}
_BOX_FROM = 3  # runs; two have no quartiles worth a box
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
    # An arm that comes near zero, or passes it, may run out of the picture instead of stretching it.
    ends = ends[ends > 0.3 * smallest] if np.isfinite(smallest) else pd.Series([1.0])
    axes.set_yscale("log")
    axes.set_ylim(ends.min() / 1.35, ends.max() * 1.35)
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if ends.max() < 50 * ends.min() else (1,)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def draw_runs(axes: Axes, position: int, points: pd.DataFrame) -> None:
    """Draw one level's runs as points, over a box of their quartiles from three runs on."""
    colour = _POINT[points["kind"].iloc[0]]
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
    colour, bottom = _POINT[row["kind"]], axes.get_ylim()[0]
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
    """Draw the references as horizontal lines with names at the right, moved apart where they would touch."""
    looks = [_LINES[source] for source in references["source"]]
    draw_named_lines(
        axes, references, names=[name for name, _, _ in looks], dashes=[dashes for _, _, dashes in looks]
    )


def draw_named_lines(
    axes: Axes, references: pd.DataFrame, *, names: Sequence[str], dashes: Sequence[Any]
) -> None:
    """Draw references as `draw_lines`, with a name and dashes each, so that a source may have several."""
    bottom = axes.get_ylim()[0]
    to_axes = axes.transData + axes.transAxes.inverted()
    values = [max(value, bottom) for value in references["value"]]
    heights = [float(to_axes.transform((0, value))[1]) for value in values]
    # In the margin x counts inches from the right edge of the panel, y the share of its height.
    inches = axes.figure.dpi_scale_trans + ScaledTranslation(1, 0, axes.transAxes)
    margin = blended_transform_factory(inches, axes.transAxes)
    apart = _LINE_HEIGHT / (axes.get_position().height * axes.figure.get_size_inches()[1])
    for row, name, dash, height, place in zip(
        references.itertuples(), names, dashes, heights, spread(heights, apart=apart), strict=True
    ):
        colour = _LINES[row.source][1]
        axes.axhline(row.value, color=colour, linestyle=dash, linewidth=1.0, zorder=1)
        leader = ([0.03, 0.08, 0.18, 0.23], [height, height, place, place])
        axes.add_line(Line2D(*leader, transform=margin, color=colour, linewidth=0.8, clip_on=False))
        text = f"{name}  {format_score(row.value, np.nan)}"
        axes.text(0.26, place, text, transform=margin, va="center", fontsize=SMALL)


def label_levels(axes: Axes, levels: pd.DataFrame) -> None:
    """Write under each position its valid eps, published eps and noise multiplier; epochs if they differ."""
    rows = [
        ("valid ε", [format_eps(eps) for eps in levels["eps"]]),
        ("published ε", [format_eps(eps) for eps in levels["eps_published"]]),
        ("noise multiplier", [format_noise(noise) for noise in levels["noise_multiplier"]]),
    ]
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
    return 0.62 + (10.5 / 72 if levels["epoch"].nunique() > 1 else 0)


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
    # Less the offsets, positions lie apart if they do not fall: pool those that do at their mean.
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


# Colour and marker; `real` and the rivals in the colours of their lines.
_OWN_LOOKS = {
    "real": (PALETTE["black"], "o"),
    "scratch": (PALETTE["grey"], "X"),
    "inf": (PALETTE["green"], "s"),
    "phantom-random": (PALETTE["vermillion"], "D"),
    "phantom-one": (PALETTE["purple"], "v"),
}
_SPARE_LOOKS = [
    (PALETTE[colour], marker)
    for colour, marker in (("blue", "^"), ("sky", "P"), ("orange", "p"), ("grey", "<"), ("black", "*"))
]


def assign_looks(names: Sequence[str], eps: Sequence[float]) -> list[tuple[str, str]]:
    """Return a colour and a marker for each set of images or each start, told apart by either alone.

    names: `real`, `scratch` and the rivals keep theirs in every figure; so does the first of infinite eps.
    """
    spare, looks = cycle(_SPARE_LOOKS), []
    for name, spent in zip(names, eps, strict=True):
        key = "inf" if np.isinf(spent) else name
        look = _OWN_LOOKS.get(key)
        looks.append(next(spare) if look is None or look in looks else look)
    return looks
