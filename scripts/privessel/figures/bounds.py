"""Panels of the audit's figure, a position a level: what is known of eps, and how far attacks come."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from privessel.figures.marks import write_inside
from privessel.figures.style import PALETTE, SMALL
from privessel.scores.formatting import format_eps, say_eps
from privessel.scores.tally import name_unit

# Name, colour and marker. A score and an attack that look at the same thing look the same in both panels.
SCORES = {
    "step": ("single steps", PALETTE["sky"], "v"),
    "gradient": ("gradients", PALETTE["blue"], "^"),
    "critic": ("critic", PALETTE["orange"], "s"),
    "nearest": ("nearest pair", PALETTE["purple"], "D"),
}
ATTACKS = {
    "critic": ("critic (LOGAN)", PALETTE["orange"], "s"),
    "nearest": ("nearest pair (GAN-Leaks)", PALETTE["purple"], "D"),
    "density": ("density (as DOMIAS)", PALETTE["green"], "o"),
}
_REFUTED, _UNKNOWN, _CHANCE = PALETTE["vermillion"], "#D9D9D9", "#D9D9D9"
_CEILING = (0, (1, 0.8))
_FILLED, _HOLLOW = {"mec": "white", "mew": 0.4}, {"fillstyle": "none", "mew": 0.8}
_LOWER = ("lower", "gaussian", "step")  # kinds of lower bounds
_APART, _BESIDE, _WIDE = 0.18, 0.22, 0.74  # between a level's bounds and attacks, and the width of its bar


def draw_privacy(axes: Axes, part: pd.DataFrame, models: Sequence[str]) -> None:
    """Draw the bounds of each model, and a bar from the best lower bound to the upper one.

    Bounds that assume a Gaussian run are drawn, but the bar does not rest on them.
    """
    marks = part[["value", "ceiling"]].to_numpy()
    top = 4 * np.max(marks[np.isfinite(marks)], initial=1.0)
    # Most bounds are near 0, which a logarithmic axis does not have, and some eps are near 100.
    axes.set_yscale("symlog", linthresh=1, linscale=0.8)
    axes.set_ylim(-0.12, top)
    steps = (1, 2, 5) if top < 200 else (1,)
    ticks = [0, 0.5, *(step * 10.0**power for power in range(9) for step in steps)]
    ticks = [tick for tick in ticks if tick < top]
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_ylabel("ε (linear to 1, then log)")
    axes.axhline(0, color=PALETTE["grey"], linewidth=0.5, zorder=1)
    for position, model in enumerate(models):
        rows = part[part["model"] == model]
        upper = rows["value"][rows["shows"] == "upper"].iloc[0]
        _draw_bounds(axes, position, upper, rows[rows["shows"].isin(_LOWER)])
    _name_marks(axes, _privacy_keys(part))


def draw_risk(axes: Axes, part: pd.DataFrame, models: Sequence[str]) -> None:
    """Draw the advantage of every attack on each model, with its interval, over what chance reaches."""
    axes.set_ylabel("attack advantage")
    axes.set_ylim(-0.02, 1.0)
    axes.set_yticks(np.arange(0, 1.01, 0.2))
    for position, model in enumerate(models):
        rows = part[part["model"] == model]
        if rows.empty:
            write_inside(axes, position, "not audited", xdata=True)
        for row in rows.itertuples():
            x = position + _BESIDE * (list(ATTACKS).index(row.name) - 1)
            _, colour, marker = ATTACKS[row.name]
            axes.bar(x, row.chance, width=0.9 * _BESIDE, color=_CHANCE, linewidth=0, zorder=1)
            axes.vlines(x, row.low, row.high, color=colour, linewidth=1.2, zorder=2)
            axes.plot([x], [row.value], marker, color=colour, markersize=4, mec="white", mew=0.4, zorder=3)
    shown = [ATTACKS[name] for name in ATTACKS if (part["name"] == name).any()]
    if shown:
        keys = [_as_key(marker, colour, name) for name, colour, marker in shown]
        _name_marks(axes, [*keys, Patch(facecolor=_CHANCE, label="reached by chance alone")])


def describe_bounds(part: pd.DataFrame) -> list[str]:
    """Return sentences on refuted claims, on the audit's size and confidence, and on missing bounds."""
    bounds, uppers = part[part["shows"] == "lower"], part[part["shows"] == "upper"].set_index("model")
    steps = part[part["shows"] == "step"]
    if bounds.empty:
        return ["No level was audited."]
    notes = [
        f"REFUTED: single steps of level {row.level} are not as claimed: {row.failed}. Do not release it."
        for row in steps[steps["claim"] == "refuted"].itertuples()
    ]
    notes += [
        f"REFUTED: level {row.level} claims {say_eps(uppers.loc[row.model, 'value'], unit=row.unit)}, yet "
        f"ε is at least {format_eps(row.value)} ({SCORES[row.name][0]}, p = {row.p_value:.2g}). "
        "Do not release it."
        for row in bounds[bounds["claim"] == "refuted"].itertuples()
    ]
    sizes = [" or ".join(f"{n:,.0f}" for n in sorted(set(bounds[key]))) for key in ("canaries", "guesses")]
    sure = " or ".join(sorted({f"{100 * share:.3g}" for share in bounds["confidence"]}, key=float))
    failing = (1 - bounds["confidence"]).groupby(bounds["model"]).sum().max()
    notes.append(
        f"B: ε of one training {name_unit(part)}. {sizes[0]} canaries, {sizes[1]} guesses; a bound alone "
        f"holds with {sure} % confidence, all of a level together with {100 * (1 - failing):.3g} %."
    )
    if len(steps):
        guesses, alone = steps["guesses"].max(), 100 * steps["confidence"].min()
        notes.append(
            f"Single steps: {guesses:,.0f} guesses by an attacker who knows all other units, {alone:.3g} % "
            "confidence; the accountant composes them, as if all steps of a run were like these."
        )
    notes.append(
        "Filled marks of scores assume nothing (Steinke et al. 2023). Hollow ones assume that the run tells "
        "as much as one Gaussian mechanism (Mahloujifar et al. 2024)."
    )
    if (bounds["value"] == 0).any():
        notes.append("At least 0: that score showed nothing, which proves nothing.")
    audited = uppers[uppers.index.isin(bounds["model"])]
    differing = audited[audited["value"].map(format_eps) != audited["eps"].map(format_eps)]
    if len(differing):
        texts = [f"{row.level} {format_eps(row.value)}" for row in differing.itertuples()]
        notes.append(f"B: the audited runs' own ε, not those below the axis: {', '.join(texts)}.")
    for _, rows in bounds.groupby("model", sort=False):
        unscored = set(bounds["name"]) - set(rows["name"])
        absent = [text for name, (text, *_) in SCORES.items() if name in unscored]
        notes += [f"Level {rows['level'].iloc[0]}: no bound from {', '.join(absent)}."] if absent else []
    return notes


def step_mark(step: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the figure shows of an audit of single steps."""
    failed = "" if pd.isna(step["failed"]) else step["failed"]  # what a CSV makes of an empty text
    mark = {"shows": "step", "name": "step", "value": step["epsilon_low"], "confidence": step["confidence"]}
    mark |= {"guesses": step["guesses_in"] + step["guesses_out"], "failed": failed}
    return mark | {"claim": "refuted" if failed else "not refuted"}


def _draw_bounds(axes: Axes, position: int, upper: float, bounds: pd.DataFrame) -> None:
    """Draw one level's bar and bounds; the bar of a refuted claim has another colour and lies above it."""
    end = min(upper, axes.get_ylim()[1])
    best = bounds["value"][bounds["shows"] != "gaussian"].max() if len(bounds) else 0.0
    low, high = sorted((best, end))
    refuted = bounds[bounds["claim"] == "refuted"]
    colour = _UNKNOWN if refuted.empty else _REFUTED
    axes.bar(position, high - low, bottom=low, width=_WIDE, color=colour, linewidth=0, zorder=1)
    if np.isinf(upper):
        arrow = {"arrowstyle": "-|>", "color": "black", "linewidth": 1.0, "shrinkA": 0, "shrinkB": 0}
        at = axes.get_xaxis_transform()
        axes.annotate("", (position, 1.0), (position, 0.84), xycoords=at, textcoords=at, arrowprops=arrow)
    else:
        axes.hlines(upper, position - _WIDE / 2, position + _WIDE / 2, color="black", linewidth=1.8, zorder=4)
    names = list(SCORES)
    for row in bounds.itertuples():
        x = position + _APART * (names.index(row.name) - (len(names) - 1) / 2)
        _, colour, marker = SCORES[row.name]
        if row.shows == "lower":
            ceiling = {"color": colour, "linewidth": 1.4, "linestyle": _CEILING, "zorder": 3}
            axes.hlines(row.ceiling, x - _APART / 2, x + _APART / 2, **ceiling)
        look = _HOLLOW if row.shows == "gaussian" else _FILLED
        axes.plot([x], [row.value], marker, color=colour, markersize=5, zorder=5, **look)
        if row.claim == "refuted":
            axes.plot([x], [row.value], "X", color=_REFUTED, markersize=8, mec="black", mew=0.6, zorder=6)
    inside = {"transform": axes.get_xaxis_transform(), "ha": "center", "fontsize": SMALL}
    if len(refuted):
        axes.axvspan(position - 0.5, position + 0.5, color=_REFUTED, alpha=0.15, linewidth=0, zorder=0)
        axes.text(position, 0.98, "REFUTED", color=_REFUTED, fontweight="bold", va="top", **inside)
    elif bounds.empty:
        share = (axes.transData + axes.transAxes.inverted()).transform((0, end))[1]
        # Below the upper bound where that leaves room, else above it.
        y, va = (min(share, 0.8) - 0.04, "top") if share > 0.5 else (share + 0.04, "bottom")
        axes.text(position, y, "not audited", va=va, rotation=90, color="#444444", **inside)


def _privacy_keys(part: pd.DataFrame) -> list[Line2D | Patch]:
    keys = [Line2D([], [], color="black", linewidth=1.8, label="at most: valid ε")]
    if np.isinf(part["value"]).any():
        keys.append(
            Line2D([], [], color="black", marker="$↑$", mew=0.2, linestyle="", label="no upper bound")
        )
    keys.append(Patch(facecolor=_UNKNOWN, label="nobody knows"))
    shown = [SCORES[name] for name in SCORES if (part["name"] == name).any()]
    keys += [_as_key(marker, colour, f"at least: {name}") for name, colour, marker in shown]
    if (part["shows"] == "gaussian").any():
        hollow = {"color": PALETTE["grey"], "marker": "D", "markersize": 4, "linestyle": "", **_HOLLOW}
        keys.append(Line2D([], [], label="at least, if Gaussian", **hollow))
    if (part["shows"] == "lower").any():
        ceiling = {"color": PALETTE["grey"], "linewidth": 1.4, "linestyle": _CEILING}
        keys.append(Line2D([], [], label="ceiling: the bound had\nevery guess been right", **ceiling))
    if (part["claim"] == "refuted").any():
        look = {"markersize": 7, "mec": "black", "mew": 0.6, "linestyle": ""}
        keys.append(Line2D([], [], color=_REFUTED, marker="X", label="claim REFUTED", **look))
    return keys


def _as_key(marker: str, colour: str, label: str) -> Line2D:
    return Line2D([], [], marker=marker, color=colour, linestyle="", markersize=4, label=label)


def _name_marks(axes: Axes, keys: list[Line2D | Patch]) -> None:
    look = {
        "frameon": False,
        "fontsize": SMALL,
        "handlelength": 1.5,
        "borderaxespad": 0,
        "labelspacing": 0.45,
    }
    axes.legend(handles=keys, loc="upper left", bbox_to_anchor=(1.03, 1), **look)
