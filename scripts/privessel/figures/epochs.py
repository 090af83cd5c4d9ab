"""When to stop: segmentation of validation patients against the epoch, and against the eps spent by it."""

from itertools import cycle

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from privessel.figures.marks import draw_lines, set_scale, write_inside
from privessel.figures.style import (
    SMALL,
    draw_rule,
    open_page,
    place_axes,
    styled,
    wrap_notes,
    write_notes,
)
from privessel.files.tables import as_text
from privessel.scores.formatting import format_eps, format_noise, format_score
from privessel.scores.tally import name_unit
from privessel.study.names import FREE_KINDS

_IDENTITY = ["arch", "level", "noise_multiplier", "epoch", "eps", "eps_published", "unit"]
_COLUMNS = ["shows", "model", *_IDENTITY, "run", "value", "sd", "runs", "patients", "kept", "best"]
_MARKERS = "osD^vPXp<>"
# Inches; the right margin holds the names of the lines.
_LEFT, _PANEL, _RIGHT, _TOP, _HEIGHT, _BETWEEN, _LINE = 0.6, 4.7, 1.75, 0.28, 1.9, 0.65, 0.16


def epochs_data(epochs: pd.DataFrame) -> pd.DataFrame:
    """Return what the figure of epochs plots: validation DSC per level and epoch, with the eps by then.

    `shows` run: the mean over validation patients of one run; `shows` mean: mean and sample SD over the
    level's runs with a value. `best` marks each level's epoch of the highest mean, the first where equal.
    Levels by falling eps of their last epoch. `shows` reference: a line, a source at eps = 0 (`model`).
    """
    frame = epochs.assign(
        **{name: as_text(epochs[name]) for name in ("source", "kind", "arch", "level", "unit")}
    )
    frame = frame.assign(value=frame["dsc_mean"], kept=frame["kept"].astype(bool), best=False)
    is_free = frame["kind"].isin(FREE_KINDS)
    free = frame[is_free].assign(shows="reference", model=lambda rows: rows["source"])
    frame = frame[~is_free]
    frame["model"] = frame["level"] if frame["arch"].nunique() < 2 else frame["arch"] + " " + frame["level"]
    cells = frame.groupby(["model", "epoch"], sort=False)
    # Runs of one level spend the same eps; should one have spent more, its eps is the one to print.
    about = {name: (name, "first") for name in ("arch", "level", "noise_multiplier", "unit", "patients")}
    about |= {name: (name, "max") for name in ("eps", "eps_published", "kept")}
    means = cells.agg(**about, value=("value", "mean"), sd=("value", "std"), runs=("value", "count"))
    means = means.reset_index().assign(shows="mean", best=False)
    known = means.dropna(subset="value").sort_values("epoch", kind="stable")
    means.loc[known.groupby("model")["value"].idxmax(), "best"] = True
    data = pd.concat([frame.assign(shows="run"), means], ignore_index=True)
    last = data["eps"].fillna(np.inf).groupby(data["model"]).max()
    data = data.assign(_last=data["model"].map(last)).sort_values(
        ["_last", "model", "epoch", "shows", "run"], ascending=[False, True, True, True, True], kind="stable"
    )
    return pd.concat([data, free], ignore_index=True)[_COLUMNS]


@styled
def epochs(data: pd.DataFrame) -> Figure:
    """Draw `epochs_data`: A against the epoch, B against the valid eps by then; each level's best epoch."""
    data = data.astype({"epoch": float, "eps": float, "value": float})  # a table without rows has no types
    notes = wrap_notes(_notes(data), width=_LEFT + _PANEL + _RIGHT - 0.2)
    lines = data[data["shows"] == "reference"]
    data = data[data["shows"] != "reference"]
    models = list(dict.fromkeys(data["model"]))
    looks = dict(zip(models, _choose_looks(data.drop_duplicates("model")), strict=True))
    below = _TOP + 2 * _HEIGHT + _BETWEEN + 0.62
    height = below + _LINE * (len(models) + 1) + 0.13 * len(notes) + 0.1
    figure = Figure(figsize=(_LEFT + _PANEL + _RIGHT, height))
    panels = (("A", "epoch", "epoch"), ("B", "eps", f"valid ε by that epoch, of one {name_unit(data)}"))
    for k, (panel, column, label) in enumerate(panels):
        top = _TOP + k * (_HEIGHT + _BETWEEN)
        axes = place_axes(figure, left=_LEFT, top=top, width=_PANEL, height=_HEIGHT)
        axes.set_title(panel, loc="left", fontweight="bold", fontsize=9)
        axes.set_xlabel(label)
        axes.set_ylabel("DSC of validation patients")
        set_scale(axes, data, log=False)
        _draw_panel(axes, data[np.isfinite(data[column])], column=column, looks=looks)
        draw_lines(axes, lines.assign(source=lines["model"]))
    if models:
        _write_best(figure, data, looks=looks, top=below)
    write_notes(figure, notes, left=0.1, bottom=0.06)
    return figure


def _choose_looks(levels: pd.DataFrame) -> list[tuple[tuple[float, ...] | str, str]]:
    """Return colour and marker of levels by falling eps: black without privacy, then from light to dark."""
    private = int(np.isfinite(levels["eps"]).sum())
    shades = iter(mpl.colormaps["viridis"](np.linspace(0.85, 0.0, max(private, 1))))
    markers = cycle(_MARKERS)
    return [(tuple(next(shades)) if np.isfinite(eps) else "black", next(markers)) for eps in levels["eps"]]


def _draw_panel(axes: Axes, part: pd.DataFrame, *, column: str, looks: dict) -> None:
    """Draw the means as lines, the best epoch of each ringed, and runs as small points where several."""
    if part["value"].isna().all():
        none = "no private level" if column == "eps" and part.empty else "no results"
        write_inside(axes, 0.5, none, xdata=False)
        axes.set_xticks([])
        return
    for model, rows in part.groupby("model", sort=False):
        colour, marker = looks[model]
        means, runs = rows[rows["shows"] == "mean"], rows[rows["shows"] == "run"]
        if runs["run"].nunique() > 1:
            axes.plot(runs[column], runs["value"], marker, color=colour, markersize=1.8, alpha=0.6, zorder=2)
        axes.plot(means[column], means["value"], color=colour, linewidth=0.9, zorder=2)
        for kept, some in means.groupby("kept"):
            face = colour if kept else "white"
            axes.plot(some[column], some["value"], marker, color=colour, mfc=face, markersize=3.8, zorder=3)
        best = means[means["best"]]
        axes.plot(best[column], best["value"], "o", color=colour, mfc="none", markersize=9, zorder=4)
    if column == "eps":
        axes.set_xscale("log")
        low, high = part["eps"].min() / 1.25, part["eps"].max() * 1.25
        axes.set_xlim(low, high)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 200 * low else (1,)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))


def _write_best(figure: Figure, data: pd.DataFrame, *, looks: dict, top: float) -> None:
    """Write a line a level, `top` inches from the upper edge: its mark, its best epoch, the eps by then."""
    page = open_page(figure)
    heads = (
        "level",
        "noise multiplier",
        "best epoch",
        f"ε of a {name_unit(data)} then",
        "published ε then",
        "DSC then",
    )
    columns = (0.35, 1.8, 2.9, 3.9, 5.1, 6.3)
    lines = [heads]
    for k, (model, (colour, marker)) in enumerate(looks.items(), start=1):
        page.plot(
            [0.1, 0.27], [top + k * _LINE] * 2, marker=marker, color=colour, markersize=3.8, markevery=[1]
        )
        rows = data[data["model"] == model]
        best = rows[rows["best"]]
        noise = format_noise(rows["noise_multiplier"].iloc[0])
        if best.empty:
            lines.append((model, noise, "no result", "", "", ""))
            continue
        row = best.iloc[0]
        spent = (format_eps(row["eps"]), format_eps(row["eps_published"]))
        lines.append((model, noise, f"{row['epoch']:g}", *spent, format_score(row["value"], row["sd"])))
    for k, texts in enumerate(lines):
        for x, text in zip(columns, texts, strict=True):
            page.text(x, top + k * _LINE, text, ha="left" if x < 1 else "center", va="center", fontsize=SMALL)
    draw_rule(page, top + _LINE / 2, linewidth=0.5, margin=0.1)


def _notes(data: pd.DataFrame) -> list[str]:
    if data.empty:
        return ["No epochs in this table."]
    free, data = data[data["shows"] == "reference"], data[data["shows"] != "reference"]
    means = data[data["shows"] == "mean"]
    patients = int(means["patients"].max()) if means["patients"].notna().any() else 0
    who = f"{patients} validation patient{'s' if patients != 1 else ''}"
    notes = [
        f"Ringed: the best epoch, chosen by the mean DSC of {who}, never of test patients; its ε is the one "
        "spent by that epoch, not by the end of training.",
        "Filled: kept for the test patients, too." + (" Small: runs." if means["runs"].max() > 1 else ""),
    ]
    if not np.isfinite(data["eps"]).any():
        notes.append("No private level in this table.")
    lost = data[(data["shows"] == "run") & data["value"].isna()]
    if len(lost):
        notes.append(f"No result for {len(lost)} of {int((data['shows'] == 'run').sum())} runs and epochs.")
    return notes + _describe_free(free)


def _describe_free(free: pd.DataFrame) -> list[str]:
    """Return sentences on the lines: how their settings were chosen, and which lines are missing."""
    if free.empty:
        return ["Not in this table: any source at ε = 0."]
    known = free["value"].notna()
    notes = []
    if known.any():
        notes.append(
            "Lines: ε = 0, no epoch. Their settings were chosen on these same validation patients; "
            "the epochs share one setting, fixed beforehand."
        )
    if not known.all():
        notes.append(f"No result for: {', '.join(free['model'][~known])}.")
    return notes
