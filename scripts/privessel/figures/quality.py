"""Figures 6 and 8: how close generated images come to real ones, and how alike they are."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from privessel.figures.looks import LineLook, assign_lines
from privessel.figures.marks import (
    depth_of_labels,
    draw_lines,
    draw_named_lines,
    label_levels,
    write_inside,
)
from privessel.figures.style import PALETTE, SMALL, place_axes, styled, wrap_notes, write_notes
from privessel.files.tables import as_text
from privessel.scores.references import list_missing, select_references
from privessel.scores.tally import IDENTITY, order_levels
from privessel.study.names import GAN_KINDS, LEVEL_KINDS, PHANTOM, PRIVATE_GAN, REAL, model_name

_SET_KINDS = (REAL, PHANTOM)  # sets of images that are no GAN's
_COLUMNS = ["panel", "shows", "measure", "model", *IDENTITY, "extractor", "images", "value", "sd"]
# Name, colour, marker, and inches from the level's position.
_MEASURES = {
    "train": ("to training patches", PALETTE["blue"], "s", -0.13),
    "test": ("to test patches", PALETTE["orange"], "^", 0.13),
    "test - train": ("to test less to training patches", PALETTE["green"], "o", 0.0),
}
_DASHES = {"train": "-", "test": (0, (4, 2)), "test - train": "-"}
_REAL = {"train": "real: half to half", "test": "real: training to test", "test - train": "real patches"}
_LEFT, _RIGHT, _TOP, _PANEL, _BETWEEN = 0.95, 2.3, 0.45, 1.75, 0.16


def fig6_data(quality: pd.DataFrame) -> pd.DataFrame:
    """Return what figure 6 plots from the table of image quality: one row per point or line.

    Panels: A, Frechet distance of every run's images to training and to test patches (`measure` train,
    test); B, the second less the first. `shows` runs: a point; reference: a line (for `real` the distance
    of one half of the training patches to the other, and of training to test patches).
    """
    rows = _describe(quality).assign(images=lambda rows: rows["images_frechet"], sd=np.nan)
    rows["test - train"] = rows["frechet_test"] - rows["frechet_train"]
    panels = (("A", "train", "frechet_train"), ("A", "test", "frechet_test"), ("B",) + ("test - train",) * 2)
    parts = [
        rows.assign(panel=panel, measure=measure, value=rows[column]) for panel, measure, column in panels
    ]
    return pd.concat(parts, ignore_index=True)[_COLUMNS]


def fig8_data(quality: pd.DataFrame) -> pd.DataFrame:
    """Return what figure 8 plots from the table of image quality: one row per point or line.

    `shows` runs: the mean SSIM over pairs of one run's images; level: mean and sample SD of those over the
    level's runs (no SD for one); reference: that of real training patches and of the public cohorts.
    """
    rows = _describe(quality).assign(panel="A", measure="ssim", images=lambda rows: rows["images_ssim"])
    rows = rows.assign(value=rows["ssim_mean"], sd=np.nan)
    levels = (
        rows[rows["shows"] == "runs"].drop_duplicates("model").assign(shows="level", source="", run=np.nan)
    )
    runs = rows.groupby("model")["value"]
    levels["value"], levels["sd"] = levels["model"].map(runs.mean()), levels["model"].map(runs.std(ddof=1))
    levels["validation_dsc"] = np.nan
    return pd.concat([rows, levels], ignore_index=True)[_COLUMNS]


@styled
def fig6(data: pd.DataFrame) -> Figure:
    """Draw `fig6_data`. Source: Kossen et al. 2022, figure 6."""
    figure, levels = _lay_out(data, titles=("distance of each run's images", "difference of the two"))
    for axes, panel in zip(figure.axes, "AB", strict=True):
        part = data[data["panel"] == panel]
        axes.set_ylabel(_name_distance(data) + ("" if panel == "A" else "\ntest − training"))
        if not _open_panel(axes, part, levels, floor=0.0 if panel == "A" else None):
            continue
        if panel == "B":
            axes.axhline(0, color=PALETTE["grey"], linewidth=0.6, zorder=0)
        for measure in dict.fromkeys(part["measure"]):
            _draw_measure(axes, part[part["measure"] == measure], levels=levels, measure=measure)
        references = part[part["shows"] == "reference"]
        looks = assign_lines(references["source"])
        lines = references[references["value"].notna()]
        named = [
            LineLook(_name_line(row, panel), looks[row.source].colour, _DASHES[row.measure])
            for row in lines.itertuples()
        ]
        draw_named_lines(axes, lines["value"], looks=named)
        _key(axes, list(dict.fromkeys(part["measure"])))
    return figure


@styled
def fig8(data: pd.DataFrame) -> Figure:
    """Draw `fig8_data`; arms are one SD over runs. Source: Kossen et al. 2022, figure 8."""
    figure, levels = _lay_out(data, titles=("how alike the images of one set are",))
    axes = figure.axes[0]
    axes.set_ylabel("SSIM, mean over pairs")
    if not _open_panel(axes, data, levels, floor=0.0):
        return figure
    axes.set_ylim(min(axes.get_ylim()[0], -0.02), 1.03)
    for position, model in enumerate(levels["model"]):
        rows = data[(data["model"] == model) & data["value"].notna()]
        runs = rows[rows["shows"] == "runs"]["value"]
        across = position + 0.16 + 0.06 * np.arange(len(runs))
        axes.plot(across, runs, "o", color=PALETTE["sky"], markersize=2.8, zorder=2, clip_on=False)
        mean = rows[rows["shows"] == "level"]
        look = {"fmt": "D", "color": PALETTE["blue"], "markersize": 4.0, "capsize": 3, "elinewidth": 1.0}
        spread = None if mean["sd"].isna().all() else mean["sd"]
        axes.errorbar([position] * len(mean), mean["value"], yerr=spread, zorder=3, **look)
    draw_lines(axes, data[data["shows"] == "reference"])
    marks = [
        Line2D([], [], color=PALETTE["blue"], marker="D", markersize=4.0, label="mean ± SD over runs"),
        Line2D([], [], color=PALETTE["sky"], marker="o", markersize=2.8, ls="", label="one run"),
    ]
    _place_key(axes, marks)
    return figure


def _describe(quality: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of the study's own GANs by rising eps, then those of the sets without eps."""
    frame = quality.copy()
    for column in ("source", "kind", "level", "unit", "extractor"):
        frame[column] = as_text(frame[column])
    frame["model"] = [model_name(source) for source in frame["source"]]
    levels = order_levels(frame).assign(shows="runs")
    references = select_references(frame, kinds=_SET_KINDS).assign(shows="reference")
    return pd.concat([levels, references], ignore_index=True)


def _lay_out(data: pd.DataFrame, *, titles: Sequence[str]) -> tuple[Figure, pd.DataFrame]:
    """Return a figure with an empty panel a title, ticks and notes, and the levels by position."""
    runs = data[(data["shows"] == "runs") & data["kind"].isin(LEVEL_KINDS)]
    levels = runs.drop_duplicates("model").reset_index(drop=True)
    width = _LEFT + max(2.3, 0.55 * len(levels)) + _RIGHT
    notes = wrap_notes(_notes(data), width=width - 0.24)
    foot = depth_of_labels(levels) + 0.13 * len(notes)
    figure = Figure(figsize=(width, len(titles) * (_TOP + _PANEL) + (len(titles) - 1) * _BETWEEN + foot))
    for k, title in enumerate(titles):
        top = _TOP + k * (_TOP + _PANEL + _BETWEEN)
        axes = place_axes(figure, left=_LEFT, top=top, width=width - _LEFT - _RIGHT, height=_PANEL)
        axes.set_xlim(-0.6, max(len(levels), 1) - 0.4)
        axes.set_xticks(range(len(levels)), [])
        above = 1 - (top - 0.26) / figure.get_size_inches()[1]
        if len(titles) > 1:
            figure.text(0.3 / width, above, "AB"[k], fontweight="bold", fontsize=9)
        figure.text(_LEFT / width, above, title)
    if len(levels):
        label_levels(figure.axes[-1], levels)
    write_notes(figure, notes, left=0.12, bottom=0.06)
    return figure, levels


def _open_panel(axes: Axes, part: pd.DataFrame, levels: pd.DataFrame, *, floor: float | None) -> bool:
    """Set the y axis around all values, or say that there are none; say where a level has none."""
    if part["value"].isna().all():
        write_inside(axes, 0.5, "no results", xdata=False)
        axes.set_yticks([])
        return False
    low, high = part["value"].min(), part["value"].max()
    room = 0.08 * (high - min(low, 0)) or 1.0
    axes.set_ylim(min(low, 0) - room if floor is None or low < floor else floor, max(high, 0) + room)
    for position, model in enumerate(levels["model"]):
        if part[part["model"] == model]["value"].isna().all():
            write_inside(axes, position, "no result", xdata=True)
    return True


def _draw_measure(axes: Axes, part: pd.DataFrame, *, levels: pd.DataFrame, measure: str) -> None:
    """Draw the runs of each level as points and join the levels' means."""
    _, colour, marker, offset = _MEASURES[measure]
    means = []
    for position, model in enumerate(levels["model"]):
        values = part[(part["model"] == model) & part["value"].notna()]["value"]
        across = position + offset + (np.arange(len(values)) - (len(values) - 1) / 2) * 0.05
        axes.plot(across, values, marker, color=colour, markersize=3.0, clip_on=False, zorder=3)
        means.append(values.mean())
    axes.plot(np.arange(len(means)) + offset, means, color=colour, linewidth=0.9, zorder=2)


def _key(axes: Axes, measures: Sequence[str]) -> None:
    marks = []
    for measure in measures:
        name, colour, marker, _ = _MEASURES[measure]
        marks.append(Line2D([], [], color=colour, marker=marker, markersize=3.0, linewidth=0.9, label=name))
    _place_key(axes, marks)


def _place_key(axes: Axes, marks: list[Line2D]) -> None:
    look = {
        "frameon": False,
        "fontsize": SMALL,
        "borderaxespad": 0.0,
        "handlelength": 1.6,
        "columnspacing": 1.0,
    }
    axes.legend(handles=marks, ncols=2, loc="lower left", bbox_to_anchor=(0, 1.01), **look)


def _name_line(row: tuple, panel: str) -> str:
    if row.kind == REAL:
        return _REAL[row.measure]
    return f"{row.source} (ε = 0)" + (
        f" {_MEASURES[row.measure][0].removesuffix(' patches')}" if panel == "A" else ""
    )


def _name_distance(data: pd.DataFrame) -> str:
    name = next((name for name in as_text(data["extractor"]) if name), "Frechet distance")
    return name.replace(" (", "\n(")


def _notes(data: pd.DataFrame) -> list[str]:
    missing = list_missing(data, kinds=_SET_KINDS)
    notes = [f"Not in this table: {', '.join(missing)}."] if missing else []
    for kinds, what in ((GAN_KINDS, "GAN"), ((PRIVATE_GAN,), "private GAN")):
        if not data["kind"].isin(kinds).any():
            notes.append(f"No {what} in this table.")
            break
    measured = data[data["shows"] != "level"]
    lost = list(dict.fromkeys(measured[measured["value"].isna()]["source"]))
    if lost:
        more = f" and {len(lost) - 1} more" if len(lost) > 1 else ""
        notes.append(f"No result, or not all, for {lost[0]}{more}.")
    sizes = sorted(set(measured[measured["shows"] == "runs"]["images"].dropna()))
    if len(sizes) > 1:
        notes.append(f"Sets of {sizes[0]:,.0f} to {sizes[-1]:,.0f} images: compare sets of one size only.")
    elif sizes:
        notes.append(f"{sizes[0]:,.0f} generated images a run.")
    return notes
