"""Figure 4 of the paper on whole heads: what a segmenter and an age network make of each method's heads."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from privessel.figures.style import PALETTE, place_axes, styled, write_notes
from privessel.study.names import ORIGINAL

_PANELS = {
    "gm_dice": "grey matter, Dice",
    "wm_dice": "white matter, Dice",
    "vcsf_dice": "ventricles, Dice",
    "brain_dice": "brain, Dice",
    "age_change": "age, change (years)",
}
_LEFT, _TOP, _WIDE, _LINE, _BETWEEN, _RIGHT, _BELOW = 1.3, 0.3, 1.35, 0.19, 0.22, 0.62, 0.62


@styled
def deid_fig4(data: pd.DataFrame) -> Figure:
    """Draw the tables of `deid.utility.join` of all methods, one below the other: a panel a measure.

    data: their columns and `method`. Boxes hold the middle half of the scans, whiskers reach to the last
    scan within 1.5 boxes, circles are the others. Scans in which no brain was found have Dice 0, and are
    counted on the right. The unaltered heads' Dice is against the truth where that is known, else missing.
    """
    data = data.assign(age_change=data["age_after"] - data["age_original"])
    methods = list(dict.fromkeys(data["method"]))
    panels = {name: words for name, words in _PANELS.items() if data[name].notna().any()}
    tall = _LINE * (len(methods) + 0.6)
    wide = _LEFT + len(panels) * (_WIDE + _BETWEEN) + _RIGHT
    figure = Figure(figsize=(wide, _TOP + tall + _BELOW))
    for column, (name, words) in enumerate(panels.items()):
        left = _LEFT + column * (_WIDE + _BETWEEN)
        axes = place_axes(figure, left=left, top=_TOP, width=_WIDE, height=tall)
        _draw_boxes(axes, data, methods, name)
        axes.set_title(words, fontsize=7.5, loc="left", pad=3)
        axes.set_yticks(range(len(methods)), [_say(name, data) for name in methods] if column == 0 else [])
        axes.set_ylim(len(methods) - 0.4, -0.6)
    for place, method in enumerate(methods):
        own = data[data["method"] == method]
        axes.text(
            1.04, place, f"{int(own['failed'].sum())} of {len(own)}", fontsize=6.5, va="center",
            transform=axes.get_yaxis_transform(),
        )  # fmt: skip
    axes.text(1.04, 1.02, "no brain found", transform=axes.transAxes, fontsize=6, va="bottom")
    write_notes(figure, describe(data), left=0.08, bottom=0.06)
    return figure


def describe(data: pd.DataFrame) -> list[str]:
    """Return how many people and scans the boxes rest on, and how far the age network errs."""
    own = data[data["method"] == ORIGINAL]
    lines = [f"{own['person'].nunique()} people, {len(own)} scans. Inside only, unless they are nobody's."]
    failed = int(own["failed"].sum())
    if failed:
        lines.append(f"In {failed} unaltered heads no brain was found: nothing to compare theirs with.")
    if own["age_original"].isna().all():
        return [*lines, "No age network was trained."]
    errors = (own["age_original"] - own["age"]).abs().dropna()
    spread = (own["age"] - own["age"].median()).abs().mean()
    return [
        *lines,
        f"Ages read from unaltered heads err by {errors.mean():.1f} years on average; always saying the "
        f"median errs by {spread:.1f}."
        if len(errors)
        else "These people's own ages are not known.",
    ]


def _draw_boxes(axes, data: pd.DataFrame, methods: list[str], name: str) -> None:
    groups = [data.loc[data["method"] == method, name].dropna().to_numpy() for method in methods]
    look = {"color": PALETTE["black"], "linewidth": 0.7}
    places = [place for place, values in enumerate(groups) if len(values)]
    axes.boxplot(
        [groups[place] for place in places],
        positions=places,
        orientation="horizontal",
        widths=0.6,
        patch_artist=True,
        manage_ticks=False,
        boxprops={"facecolor": "#CFE3F1", "edgecolor": PALETTE["black"], "linewidth": 0.7},
        medianprops={"color": PALETTE["vermillion"], "linewidth": 1.1},
        whiskerprops=look,
        capprops=look,
        flierprops={"marker": "o", "markersize": 2, "markeredgewidth": 0.4},
    )
    if name == "age_change":
        axes.axvline(0, color=PALETTE["grey"], linewidth=0.7, linestyle=":")
        most = max((np.abs(values).max() for values in groups if len(values)), default=1) or 1
        axes.set_xlim(-1.08 * most, 1.08 * most)
    else:
        axes.set_xlim(-0.04, 1.04)


def _say(method: str, data: pd.DataFrame) -> str:
    if method == ORIGINAL:
        against = data.loc[data["method"] == ORIGINAL, "against"].iloc[0]
        return "unaltered (against truth)" if against == "truth" else "unaltered"
    if method == "watershed":
        return "watershed (brain only)"
    return method.replace("hull-", "hull: ").replace("gan-", "GAN: ")
