"""Transfer learning: how many patients of another cohort a pre-trained U-Net spares."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from privessel.figures.looks import assign_marks
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
from privessel.scores.formatting import format_eps, format_noise, format_score, say_eps
from privessel.scores.references import list_missing
from privessel.scores.tally import name_unit
from privessel.scores.transfer import FROM_SCRATCH
from privessel.study.names import FREE_KINDS, PRIVATE_GAN, GanName

_METRICS = {"dsc": "DSC", "hd95_mm": "HD95 (mm)"}
_IDENTITY = ["start", "kind", "level", "noise_multiplier", "eps", "eps_published", "unit"]
_COLUMNS = ["panel", "metric", "shows", *_IDENTITY, "cohort", "patients", "draw"]
_COLUMNS += ["value", "sd", "draws", "tested", "scored", "empty"]
# Inches; the right margin holds the names of the lines.
_LEFT, _PANEL, _RIGHT, _TOP, _HEIGHT, _BETWEEN = 0.6, 4.7, 1.75, 0.28, 1.9, 0.65
_NAMES, _KINDS, _CELL, _LINE = 2.15, 0.65, 0.75, 0.16  # inches: of the table below
_UNTRAINED = "trained on no patient of either cohort (ε = 0)"


def transfer_data(transfer: pd.DataFrame) -> pd.DataFrame:
    """Return what the figure of transfer learning plots: DSC (panel A) and HD95 in mm (B) by start and k.

    `patients` is k, how many of the second cohort the U-Net was tuned on; 0, as it was. `shows` draw: the
    mean over `scored` of `tested` test patients for one draw of k patients; `shows` mean: mean and sample SD
    over `draws` (those with a value; no SD for one); `shows` reference: a line, the mean over test patients
    of a source at eps = 0, never tuned; these stand last. Raises ValueError for more than one test cohort.
    """
    frame = transfer.copy()
    for column in ("start", "kind", "level", "unit", "cohort", "patient"):
        frame[column] = as_text(frame[column])
    cohorts = list(dict.fromkeys(frame["cohort"]))
    if len(cohorts) > 1:
        raise ValueError(f"transfer learning is shown for one test cohort, not for {', '.join(cohorts)}")
    identity = frame.drop_duplicates("start")[_IDENTITY]
    free = set(identity["start"][identity["kind"].isin(FREE_KINDS)])
    parts = []
    for panel, metric in zip("AB", _METRICS, strict=True):
        cells = frame.groupby(["start", "patients", "draw"], sort=False)
        draws = cells.agg(
            value=(metric, "mean"), scored=(metric, "count"), empty=("empty", "sum")
        ).reset_index()
        groups = draws.groupby(["start", "patients"], sort=False)["value"]
        means = groups.agg(value="mean", sd="std", draws="count").reset_index()
        draws["shows"] = np.where(draws["start"].isin(free), "reference", "draw")
        means = means[~means["start"].isin(free)].assign(shows="mean")
        parts.append(pd.concat([draws, means], ignore_index=True).assign(panel=panel, metric=metric))
    data = pd.concat(parts, ignore_index=True).merge(identity, on="start", how="left")
    data = data.assign(cohort=cohorts[0] if cohorts else "", tested=frame["patient"].nunique())
    order = {start: k for k, start in enumerate(sorted(identity["start"], key=free.__contains__))}
    data["_place"] = data["start"].map(order)
    data = data.sort_values(
        ["panel", "_place", "patients", "shows", "draw"], kind="stable", ignore_index=True
    )
    return data[_COLUMNS]


def transfer_table(data: pd.DataFrame) -> pd.DataFrame:
    """Return `mean ± SD` over draws as text from `transfer_data`: a row a start and metric, a column a k."""
    means = data[data["shows"] != "draw"]
    texts = means.assign(text=[format_score(row.value, row.sd) for row in means.itertuples()])
    table = texts.pivot(index=["start", "metric"], columns="patients", values="text")
    starts = dict.fromkeys(means["start"])
    return table.reindex([(start, metric) for start in starts for metric in _METRICS]).fillna("–")


@styled
def transfer(data: pd.DataFrame) -> Figure:
    """Draw `transfer_data` with its table below. Source: Kossen et al. 2021, transfer learning."""
    table = transfer_table(data)
    width = max(_LEFT + _PANEL + _RIGHT, _NAMES + _KINDS + _CELL * len(table.columns) + 0.1)
    starts = data[data["shows"] != "reference"].drop_duplicates("start")
    notes = wrap_notes(_notes(data), width=width - 0.2)
    key, rows = _TOP + 2 * _HEIGHT + _BETWEEN + 0.42, _LINE * (len(table) + 2)
    below = key + 0.15 * -(-len(starts) // 2) + 0.2
    height = below + rows + 0.13 * len(notes) + 0.12
    figure = Figure(figsize=(width, height))
    looks = assign_marks(starts["start"], starts["eps"])
    for k, metric in enumerate(_METRICS):
        top = _TOP + k * (_HEIGHT + _BETWEEN)
        axes = place_axes(figure, left=_LEFT, top=top, width=width - _LEFT - _RIGHT, height=_HEIGHT)
        axes.set_title(f"{'AB'[k]}   {_METRICS[metric]}", loc="left", pad=4)
        _draw_panel(axes, data[data["metric"] == metric], looks=looks)
        axes.set_xlabel(f"patients of {data['cohort'].iloc[0]} trained on" if len(data) else "patients")
    if len(starts):
        names = [_name_start(row) for row in starts.itertuples()]
        handles = [Line2D([], [], color=colour, marker=marker, markersize=4) for colour, marker in looks]
        look = {"ncols": 2, "frameon": False, "loc": "upper left", "borderaxespad": 0, "fontsize": SMALL}
        figure.legend(handles, names, bbox_to_anchor=(0.1 / width, 1 - key / height), **look)
    if len(data):
        names = {row.start: _name_start(row) for row in data.drop_duplicates("start").itertuples()}
        _write_table(figure, table, names=names, trained=set(starts["start"]), top=below)
    write_notes(figure, notes, left=0.1, bottom=0.06)
    return figure


def _draw_panel(axes: Axes, part: pd.DataFrame, *, looks: list[tuple[str, str]]) -> None:
    """Draw each start over k: means with arms of one SD over draws, draws as points; and lines at eps = 0."""
    lines = part[part["shows"] == "reference"]
    trained = part[part["shows"] != "reference"]
    sizes = sorted(set(trained["patients"]))
    axes.set_xticks(range(len(sizes)), [f"{size:g}" for size in sizes])
    axes.set_xlim(-0.5, max(len(sizes), 1) - 0.5)
    if trained["value"].isna().all():
        write_inside(axes, 0.5, "no results", xdata=False)
    if part["value"].isna().all():
        axes.set_yticks([])
        return
    if part["metric"].iloc[0] == "dsc":
        set_scale(axes, part, log=False)
    else:
        axes.set_ylim(0, 1.08 * max((part["value"] + part["sd"].fillna(0)).max(), 1e-9))
    starts = list(dict.fromkeys(trained["start"]))
    for k, (start, (colour, marker)) in enumerate(zip(starts, looks, strict=True)):
        shift = (k - (len(starts) - 1) / 2) * 0.5 / len(starts)
        rows = trained[trained["start"] == start]
        rows = rows.assign(x=rows["patients"].map(sizes.index) + shift)
        draws, means = rows[rows["shows"] == "draw"], rows[rows["shows"] == "mean"]
        spots = {"markersize": 2.0, "markerfacecolor": "none", "markeredgewidth": 0.5, "alpha": 0.8}
        axes.plot(draws["x"], draws["value"], marker, color=colour, ls="", zorder=2, **spots)
        axes.plot(
            means["x"], means["value"], marker=marker, color=colour, markersize=4, label=start, zorder=3
        )
        spread = means[means["sd"].notna()]
        axes.vlines(
            spread["x"], spread["value"] - spread["sd"], spread["value"] + spread["sd"], color=colour, lw=0.9
        )
    draw_lines(axes, lines.assign(source=lines["start"]))


def _write_table(
    figure: Figure, table: pd.DataFrame, *, names: dict[str, str], trained: set[str], top: float
) -> None:
    """Write mean ± SD per start, metric (rows) and k (columns) below `top` inches from the upper edge.

    Under a head of their own, what is not in `trained`: it saw no patient of either cohort in training.
    """
    page = open_page(figure)
    columns = _NAMES + _KINDS + _CELL * np.arange(len(table.columns)) + _CELL / 2
    heads = [(0, "U-Net pre-trained on")] if trained else []
    if set(names) - trained:
        heads.append(((len(_METRICS) * len(trained) + 1) * len(heads), _UNTRAINED))
    texts = [(0.1, line, head, "left") for line, head in heads]
    texts += [(x, 0, f"k = {size:g}", "center") for x, size in zip(columns, table.columns, strict=True)]
    lines = [line for line in range(len(table) + len(heads)) if line not in dict(heads)]
    for line, ((start, metric), row) in zip(lines, table.iterrows(), strict=True):
        if metric == next(iter(_METRICS)):
            texts.append((0.1, line, names[start], "left"))
        texts.append((_NAMES, line, _METRICS[metric], "left"))
        texts += [(x, line, text, "center") for x, text in zip(columns, row, strict=True)]
    for x, line, text, side in texts:
        page.text(x, top + line * _LINE, text, ha=side, va="center", fontsize=SMALL)
    for line, _ in heads:
        draw_rule(page, top + (line + 0.5) * _LINE, linewidth=0.5, margin=0.1)


def _name_start(row: Any) -> str:
    if row.start == FROM_SCRATCH:
        return "nothing (from scratch)"
    if row.kind in FREE_KINDS:
        return f"{row.start} (ε = 0)"
    if np.isinf(row.eps):
        return f"{GanName.parse(row.start).arch}, {say_eps(row.eps)}"
    published, noise = format_eps(row.eps_published), format_noise(row.noise_multiplier)
    return f"{say_eps(row.eps, unit=row.unit)} ({published}), noise {noise}"


def _notes(data: pd.DataFrame) -> list[str]:
    if data.empty:
        return ["No results of transfer learning in this table."]
    draws, means = data[data["shows"] != "mean"], data[data["shows"] == "mean"]
    tested = data["tested"].iloc[0]
    who = f"{tested} test patient{'s' if tested > 1 else ''}"
    notes = [
        f"Points: draws of patients, mean over {who}; arms and ±: SD over draws. ε protects one training "
        f"{name_unit(data)} of the first cohort, none of the second."
    ]
    if data["shows"].eq("reference").any():
        notes.append(
            "Lines (ε = 0): trained on no patient of either cohort, whatever k. Threshold, Frangi filter and "
            "settings of U-Nets were chosen on validation patients of the first cohort."
        )
    missing = list_missing(data, kinds=FREE_KINDS)
    if missing:
        notes.append(f"Not in this table: {', '.join(missing)}.")
    if not data["kind"].eq(PRIVATE_GAN).any():
        notes.append("No private start in this table.")
    if FROM_SCRATCH not in set(data["start"]):
        notes.append("No U-Net from scratch in this table.")
    if means["draws"][means["patients"] > 0].le(1).any():
        notes.append("Some cells have one draw, or none, and so no SD.")
    if draws["scored"].lt(draws["tested"]).any():
        notes.append("Some means are over fewer test patients; missing: no result.")
    if draws["empty"].gt(0).any():
        notes.append("An empty prediction counts as DSC 0 and the diagonal of the brain's box.")
    return notes
