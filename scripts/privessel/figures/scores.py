"""Figures 3 and 5: segmentation scores against the privacy level, beside what costs no privacy."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from privessel.figures.marks import (
    depth_of_labels,
    draw_best,
    draw_lines,
    draw_runs,
    label_levels,
    set_scale,
    write_inside,
)
from privessel.figures.significance import add_intervals, describe_intervals
from privessel.figures.style import place_axes, styled, wrap_notes, write_notes
from privessel.scores.references import select_references
from privessel.scores.tally import IDENTITY, describe_gaps, name_cohorts, order_levels, tally
from privessel.study.names import LEVEL_KINDS

_COLUMNS = [
    "panel",
    "shows",
    "metric",
    "cohort",
    "model",
    *IDENTITY,
    "value",
    "sd",
    "low",
    "high",
    "patients",
    "scored",
    "empty",
]
# Letter, metric, and whether all runs of a level are shown or the best.
_FIG3 = (("A", "dsc", "runs"), ("B", "dsc", "best"), ("C", "bahd_voxel", "best"))
_FIG5 = (("A", "dsc", "best"), ("B", "bahd_voxel", "best"))
_LABELS = {"dsc": "DSC", "bahd_voxel": "bAHD (voxels, log scale)"}
_TITLES = {
    "runs": "all runs, mean over patients",
    "best": "best run by validation DSC, mean ± SD",
}
# Inches. The right margin holds the names of the lines, the bottom one the rows of tick labels.
_LEFT, _RIGHT, _TOP, _PANEL, _BETWEEN = 0.95, 1.75, 0.28, 1.75, 0.36


def fig3_data(scores: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Return what figure 3 plots, from the first cohort of the scores table: one row per point or line.

    Panels: A, mean DSC over patients of every run (`shows` runs); B, C, mean and SD over patients of DSC and
    bAHD (voxels) of each level's best run by validation DSC (`shows` best), with `low` and `high`, the 95 %
    interval of the mean, drawn with `seed`. `shows` reference: a line.
    """
    return _panels(scores, cohort=0, panels=_FIG3, seed=seed)


def fig5_data(scores: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Return what figure 5 plots: panels B and C of figure 3 for the second cohort; no rows without one."""
    return _panels(scores, cohort=1, panels=_FIG5, seed=seed)


@styled
def fig3(data: pd.DataFrame) -> Figure:
    """Draw `fig3_data`: DSC over runs, DSC and bAHD of the best run. Source: Kossen et al. 2022, figure 3."""
    return _draw(data, panels=_FIG3)


@styled
def fig5(data: pd.DataFrame) -> Figure:
    """Draw `fig5_data`: DSC and bAHD on the second cohort. Source: Kossen et al. 2022, figure 5."""
    return _draw(data, panels=_FIG5)


def _panels(
    scores: pd.DataFrame, *, cohort: int, panels: Sequence[tuple[str, str, str]], seed: int
) -> pd.DataFrame:
    rows = tally(scores)
    names = name_cohorts(rows)
    if cohort >= len(names):
        return pd.DataFrame(columns=_COLUMNS)
    metrics = list(dict.fromkeys(metric for _, metric, _ in panels))
    rows = add_intervals(rows[rows["cohort"] == names[cohort]], scores, metrics=metrics, seed=seed)
    references = select_references(rows).assign(shows="reference")
    levels = order_levels(rows)
    parts = []
    for panel, metric, shows in panels:
        drawn = (levels if shows == "runs" else levels[levels["best"]]).assign(shows=shows)
        part = pd.concat([drawn, references]).assign(panel=panel, metric=metric)
        part["value"] = part[f"{metric}_mean"]
        for column in ("sd", "low", "high"):
            part[column] = part[f"{metric}_{column}"].where(part["shows"] == "best")
        parts.append(part[_COLUMNS])
    return pd.concat(parts, ignore_index=True)


def _draw(data: pd.DataFrame, *, panels: Sequence[tuple[str, str, str]]) -> Figure:
    levels = data[data["kind"].isin(LEVEL_KINDS)].drop_duplicates("model").reset_index(drop=True)
    width = _LEFT + max(2.3, 0.55 * len(levels)) + _RIGHT
    notes = wrap_notes(_notes(data), width=width - 0.24)
    foot = depth_of_labels(levels) + 0.13 * len(notes)
    height = _TOP + len(panels) * _PANEL + (len(panels) - 1) * _BETWEEN + foot
    figure = Figure(figsize=(width, height))
    for k, (panel, metric, shows) in enumerate(panels):
        top = _TOP + k * (_PANEL + _BETWEEN)
        axes = place_axes(figure, left=_LEFT, top=top, width=width - _LEFT - _RIGHT, height=_PANEL)
        part = data[data["panel"] == panel]
        draw_panel(axes, part, list(levels["model"]), metric=metric, shows=shows)
        above = 1 - (top - 0.08) / height
        figure.text(0.3 / width, above, panel, fontweight="bold", fontsize=9)
        if len(part):
            figure.text(_LEFT / width, above, f"{part['cohort'].iloc[0]}: {_TITLES[shows]}")
        axes.set_xticks(range(len(levels)), [])
    if len(levels):
        label_levels(figure.axes[-1], levels)
    write_notes(figure, notes, left=0.12, bottom=0.06)
    return figure


def draw_panel(axes: Axes, part: pd.DataFrame, models: Sequence[str], *, metric: str, shows: str) -> None:
    """Draw a panel's rows, a position a model: `metric` of its best run or of all `runs`, and references."""
    axes.set_xlim(-0.6, max(len(models), 1) - 0.4)
    axes.set_ylabel(_LABELS[metric])
    if part["value"].isna().all():
        write_inside(axes, 0.5, "no results", xdata=False)
        axes.set_yticks([])
        return
    set_scale(axes, part, log=metric != "dsc")
    for position, model in enumerate(models):
        points = part[(part["model"] == model) & (part["shows"] == shows) & part["value"].notna()]
        if points.empty:
            write_inside(axes, position, "no result", xdata=True)
        elif shows == "runs":
            draw_runs(axes, position, points)
        else:
            draw_best(axes, position, points.iloc[0])
    draw_lines(axes, part[part["shows"] == "reference"])


def _notes(data: pd.DataFrame) -> list[str]:
    if data.empty:
        return ["No scores: the study has no such test cohort."]
    notes = describe_gaps(data) + describe_intervals(data)
    if data["low"].notna().any():
        notes.append("Bar beside the arm: 95 % bootstrap interval of the mean.")
    levels = data[data["shows"] != "reference"]
    if ((levels["scored"] > 0) & (levels["empty"] == levels["scored"])).any():
        notes.append("Hollow: every prediction empty (DSC 0, distance = diagonal of the brain's box).")
    return notes
