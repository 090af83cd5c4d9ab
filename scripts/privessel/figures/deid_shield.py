"""What a shield buys: how often the adaptive attacker names the right person, by the kind of hull."""

import pandas as pd
from matplotlib.figure import Figure

from privessel.deid.faces import FLOOR, ORIGINAL, QUERIES, VIEWS
from privessel.figures.deid_attack import describe, find_chance
from privessel.figures.style import PALETTE, SMALL, place_axes, styled, write_notes

_LEFT, _TOP, _WIDE, _TALL, _BETWEEN, _BELOW = 0.55, 0.5, 2.9, 1.9, 0.45, 1.0
_QUERY_LOOKS = dict(zip(QUERIES, (("s", "blue"), ("o", "vermillion")), strict=True))


@styled
def deid_shield(data: pd.DataFrame) -> Figure:
    """Draw the hulls of a table of `identification.ask` for the adaptive attacker, a panel a view.

    Lines across are the same attacker's rates on the unaltered head and on the brain alone, and chance.
    """
    part = data[data["attacker"] == "adaptive"]
    hulls = [name for name in dict.fromkeys(part["method"]) if name.startswith("hull-")]
    figure = Figure(figsize=(_LEFT + 2 * _WIDE + _BETWEEN + 0.1, _TOP + _TALL + _BELOW))
    for column, view in enumerate(VIEWS):
        axes = place_axes(
            figure, left=_LEFT + column * (_WIDE + _BETWEEN), top=_TOP, width=_WIDE, height=_TALL
        )
        for shift, (query, (marker, colour)) in zip((-0.1, 0.1), _QUERY_LOOKS.items(), strict=True):
            rows = part[(part["view"] == view) & (part["query"] == query)].set_index("method")
            if not len(rows):
                continue
            shown = rows.loc[hulls]
            axes.errorbar(
                [place + shift for place in range(len(hulls))],
                shown["rate"],
                yerr=[
                    (shown["rate"] - shown["low"]).clip(lower=0),
                    (shown["high"] - shown["rate"]).clip(lower=0),
                ],
                fmt=marker,
                markersize=4,
                linewidth=0.8,
                color=PALETTE[colour],
                label=f"hull, {query.replace('-', ' ')}",
            )
            for method, dashes, words in ((FLOOR, "--", "brain alone"), (ORIGINAL, "-", "unaltered head")):
                if method in rows.index:
                    axes.axhline(
                        rows.loc[method, "rate"], color=PALETTE[colour], linewidth=0.7, linestyle=dashes,
                        label=f"{words}, {query.replace('-', ' ')}",
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


def _say(hull: str) -> str:
    name = hull.removeprefix("hull-")
    if name.startswith("local-dp-"):
        return f"eps {name.removeprefix('local-dp-')}"
    if name.startswith("k-same-"):
        return f"k = {name.removeprefix('k-same-')}"
    return {"paper": "paper's", "brain": "brain (eps 0)"}[name]
