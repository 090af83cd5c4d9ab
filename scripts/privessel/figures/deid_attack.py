"""Figure 3 of the paper on whole heads: how often each attacker names the right person, by method."""

import pandas as pd
from matplotlib.figure import Figure

from privessel.deid.faces import ATTACKERS, FLOOR, QUERIES, VIEWS
from privessel.figures.style import PALETTE, SMALL, place_axes, styled, write_notes
from privessel.study.names import GAN_METHOD, HULL_METHOD

LOOKS = dict(zip(ATTACKERS, (("o", "sky"), ("s", "orange"), ("D", "vermillion")), strict=True))
_LEFT, _TOP, _WIDE, _LINE, _BETWEEN, _BELOW = 1.3, 0.45, 2.5, 0.17, 0.2, 0.62


@styled
def deid_fig3(data: pd.DataFrame) -> Figure:
    """Draw a table of `identification.ask`: a panel a view and query, a line a method, a mark an attacker.

    Error bars are 95 % intervals over people. The dotted line is chance; the broken one is the adaptive
    attacker on the brain alone, below which no method can come that keeps the brain.
    """
    methods = list(dict.fromkeys(data["method"]))
    panels = [(view, query) for view in VIEWS for query in QUERIES if query in set(data["query"])]
    columns = len(panels) // len(VIEWS)
    tall = _LINE * (len(methods) + 0.6)
    size = (
        _LEFT + columns * _WIDE + (columns - 1) * _BETWEEN + 0.12,
        _TOP + len(VIEWS) * (tall + 0.42) + _BELOW - 0.2,
    )
    figure = Figure(figsize=size)
    for place, (view, query) in enumerate(panels):
        row, column = divmod(place, columns)
        axes = place_axes(
            figure,
            left=_LEFT + column * (_WIDE + _BETWEEN),
            top=_TOP + row * (tall + 0.42),
            width=_WIDE,
            height=tall,
        )
        part = data[(data["view"] == view) & (data["query"] == query)]
        _draw_panel(axes, part, methods)
        axes.set_title(f"{view}, {query.replace('-', ' ')}", fontsize=7.5, loc="left", pad=3)
        axes.set_yticks(range(len(methods)), [_say(name) for name in methods] if column == 0 else [])
        if row == len(VIEWS) - 1:
            axes.set_xlabel("right person named (%)")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="upper right", ncols=len(labels), frameon=False, fontsize=SMALL, borderpad=0.1
    )
    write_notes(figure, [describe(data)], left=0.08, bottom=0.06)
    return figure


def describe(data: pd.DataFrame) -> str:
    """Return how many people, questions and known people the rates rest on."""
    first = data.iloc[0]
    return (
        f"{int(first['questions'])} questions about {int(data['people'].max())} people; attackers know "
        f"{int(first['known'])} others."
    )


def find_chance(data: pd.DataFrame) -> float:
    """Return how often a guess names the right person, in percent."""
    return 100 / data["candidates"].iloc[0]


def _draw_panel(axes, part: pd.DataFrame, methods: list[str]) -> None:
    floor = part[(part["method"] == FLOOR) & (part["attacker"] == "adaptive")]["rate"]
    axes.axvline(find_chance(part), color=PALETTE["grey"], linewidth=0.7, linestyle=":")
    if len(floor):
        axes.axvline(floor.iloc[0], color=PALETTE["black"], linewidth=0.7, linestyle="--")
    for shift, (attacker, (marker, colour)) in zip((-0.2, 0, 0.2), LOOKS.items(), strict=True):
        rows = part[part["attacker"] == attacker].set_index("method").reindex(methods)
        bars = [rows["rate"] - rows["low"], rows["high"] - rows["rate"]]
        axes.errorbar(
            rows["rate"],
            [place + shift for place in range(len(methods))],
            xerr=[bar.clip(lower=0) for bar in bars],
            fmt=marker,
            markersize=3,
            linewidth=0.7,
            color=PALETTE[colour],
            label=attacker,
        )
    axes.set_xlim(0, 103)
    axes.set_ylim(len(methods) - 0.4, -0.6)


def _say(method: str) -> str:
    if method == FLOOR:
        return "watershed (brain only)"
    return method.replace(HULL_METHOD, "hull: ").replace(GAN_METHOD, "GAN: ")
