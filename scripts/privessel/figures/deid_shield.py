"""What a shield buys: how often the adaptive attacker names the right person, by the kind of hull."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from privessel.deid.faces import FLOOR, ORIGINAL, QUERIES, VIEWS
from privessel.figures.deid_attack import describe, find_chance
from privessel.figures.style import PALETTE, SMALL, place_axes, styled, write_notes
from privessel.study.names import GAN_METHOD, HULL_METHOD

_LEFT, _TOP, _WIDE, _TALL, _BETWEEN, _BELOW = 0.55, 0.78, 2.9, 1.9, 0.45, 1.0
_QUERY_LOOKS = dict(zip(QUERIES, (("s", "blue"), ("o", "vermillion")), strict=True))
# What leaves in a hull: the hull filled evenly, and the head that a GAN makes in it, with open marks.
_KINDS = {HULL_METHOD: ("hull", None), GAN_METHOD: ("GAN's head", "white")}


@styled
def deid_shield(data: pd.DataFrame) -> Figure:
    """Draw the hulls of a table of `identification.ask` for the adaptive attacker, a panel a view.

    Beside a hull stands the head that a GAN has made in it, where there is one. Lines across are the same
    attacker's rates on the unaltered head and on the brain alone, and chance.
    """
    part = data[data["attacker"] == "adaptive"]
    methods = list(dict.fromkeys(part["method"]))
    hulls = [name.removeprefix(HULL_METHOD) for name in methods if name.startswith(HULL_METHOD)]
    kinds = [kind for kind in _KINDS if any(name.startswith(kind) for name in methods)]
    figure = Figure(figsize=(_LEFT + 2 * _WIDE + _BETWEEN + 0.1, _TOP + _TALL + _BELOW))
    for column, view in enumerate(VIEWS):
        axes = place_axes(
            figure, left=_LEFT + column * (_WIDE + _BETWEEN), top=_TOP, width=_WIDE, height=_TALL
        )
        for place, query in enumerate(QUERIES):
            rows = part[(part["view"] == view) & (part["query"] == query)].set_index("method")
            if not len(rows):
                continue
            for number, kind in enumerate(kinds):
                shift = 0.4 * ((len(QUERIES) * number + place + 0.5) / (len(QUERIES) * len(kinds)) - 0.5)
                _draw_marks(axes, rows.reindex([f"{kind}{hull}" for hull in hulls]), query, kind, shift)
            for method, dashes, words in ((FLOOR, "--", "brain alone"), (ORIGINAL, "-", "unaltered head")):
                if method in rows.index:
                    axes.axhline(
                        rows.loc[method, "rate"], color=PALETTE[_QUERY_LOOKS[query][1]], linewidth=0.7,
                        linestyle=dashes, label=f"{words}, {query.replace('-', ' ')}",
                    )  # fmt: skip
        axes.axhline(find_chance(part), color=PALETTE["grey"], linewidth=0.7, linestyle=":", label="chance")
        axes.set_title(f"{view} view", loc="left", fontsize=8)
        axes.set_xticks(range(len(hulls)), [_say(name) for name in hulls], rotation=35, ha="right")
        axes.set_ylim(0, 104)
        axes.set_xlim(-0.5, len(hulls) - 0.5)
    figure.axes[0].set_ylabel("right person named (%)")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncols=4, frameon=False, fontsize=SMALL)
    write_notes(figure, [f"Adaptive attacker. {describe(data)}"], left=0.08, bottom=0.06)
    return figure


def _draw_marks(axes: Axes, rows: pd.DataFrame, query: str, kind: str, shift: float) -> None:
    """Draw a mark with its interval for each hull; none where there is no such head."""
    (marker, colour), (words, filled) = _QUERY_LOOKS[query], _KINDS[kind]
    axes.errorbar(
        [place + shift for place in range(len(rows))],
        rows["rate"],
        yerr=[(rows["rate"] - rows["low"]).clip(lower=0), (rows["high"] - rows["rate"]).clip(lower=0)],
        fmt=marker,
        markersize=4,
        linewidth=0.8,
        color=PALETTE[colour],
        markerfacecolor=filled,
        label=f"{words}, {query.replace('-', ' ')}",
    )


def _say(hull: str) -> str:
    if hull.startswith("local-dp-"):
        return f"eps {hull.removeprefix('local-dp-')}"
    if hull.startswith("k-same-"):
        return f"k = {hull.removeprefix('k-same-')}"
    return {"paper": "paper's", "brain": "brain (eps 0)"}[hull]
