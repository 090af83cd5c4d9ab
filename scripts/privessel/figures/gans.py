"""The comparison of GAN architectures: what their pairs teach a U-Net, beside what costs no privacy."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from privessel.figures.style import PALETTE, SMALL, place_axes, styled, wrap_notes, write_notes
from privessel.files.tables import as_text
from privessel.scores.formatting import format_eps, format_score, say_eps
from privessel.scores.references import select_references
from privessel.scores.tally import (
    IDENTITY,
    choose_private,
    describe_gaps,
    name_cohorts,
    name_unit,
    tally,
)
from privessel.study.names import (
    BASELINE,
    COMPARED_GAN,
    FREE_KINDS,
    PHANTOM,
    PLAIN_GAN,
    PRIVATE_GAN,
    PRIVATE_UNET,
    REAL,
    VOTE,
    GanName,
)

_METRICS = {"dsc": "DSC", "hd95_mm": "HD95 (mm)"}
_COLUMNS = ["panel", "name", *IDENTITY, "cohort", "metric", "shows", "patient", "value", "sd"]
_COLUMNS += ["patients", "scored", "empty"]
_COLOURS = {REAL: "black", PLAIN_GAN: "green", PRIVATE_GAN: "blue"}
_COLOURS |= {VOTE: "vermillion", PRIVATE_UNET: "purple"}
_COLOURS |= {COMPARED_GAN: "sky", PHANTOM: "vermillion", BASELINE: "orange"}
_LEFT, _PANEL, _NUMBERS, _ROW, _HEAD, _FOOT = 2.5, 1.9, 0.95, 0.24, 0.3, 0.4  # inches


def gan_comparison_data(scores: pd.DataFrame) -> pd.DataFrame:
    """Return DSC and HD95 (mm) of the GANs without privacy, between real patches and what needs no eps.

    Rows per source, cohort and metric: `shows` patient, one a test patient; `shows` mean, mean and sample
    SD over them. Of several runs of an architecture, or of all private GANs, the one with the highest
    validation DSC. Panels A and B are the first cohort's, C and D the second's.
    """
    rows = tally(scores)
    cells = [(cohort, metric) for cohort in name_cohorts(rows)[:2] for metric in _METRICS]
    panels = pd.DataFrame(
        [(panel, *cell) for panel, cell in zip("ABCD", cells, strict=False)],
        columns=["panel", "cohort", "metric"],
        dtype=object,
    )
    grid = panels.merge(_choose(rows), how="cross")
    grid["_place"] = range(len(grid))
    frame = scores.assign(**{column: as_text(scores[column]) for column in ("source", "cohort", "patient")})
    patients = frame.melt(["source", "cohort", "patient", "empty"], list(_METRICS), "metric")
    groups = patients.groupby(["source", "cohort", "metric"], sort=False)["value"]
    means = groups.agg(value="mean", sd="std").reset_index()
    counts = rows[["source", "cohort", "patients", "scored", "empty"]]
    means = grid.merge(counts, how="left").merge(means, how="left").assign(shows="mean")
    data = pd.concat([grid.merge(patients).assign(shows="patient"), means], ignore_index=True)
    return data.sort_values(["_place", "shows"], ascending=[True, False], ignore_index=True)[_COLUMNS]


@styled
def gan_comparison(data: pd.DataFrame) -> Figure:
    """Draw `gan_comparison_data`: a row a source, its patients as points and mean ± SD as a bar with arm.

    Source: Kossen et al. 2021, whose 95HD has no unit; here HD95 in mm over all voxels of the masks.
    """
    means = data[data["shows"] == "mean"]
    names = list(means.drop_duplicates("source")["name"])
    height, across = _ROW * max(len(names), 1), _PANEL + _NUMBERS
    down = _HEAD + height + _FOOT
    width = _LEFT + len(_METRICS) * across
    notes = wrap_notes(_notes(means), width=width - 0.2)
    panels = list(means.drop_duplicates("panel").itertuples())
    rows = -(-len(panels) // len(_METRICS))
    figure = Figure(figsize=(width, rows * down + 0.13 * len(notes) + 0.12))
    for k, about in enumerate(panels):
        row, column = divmod(k, len(_METRICS))
        left, top = _LEFT + column * across, row * down + _HEAD
        axes = place_axes(figure, left=left, top=top, width=_PANEL, height=height)
        _draw_panel(axes, data[data["panel"] == about.panel], metric=about.metric)
        axes.set_yticks(range(len(names)), names if column == 0 else [])
        axes.tick_params(axis="y", length=0)
        axes.set_title(f"{about.panel}   {about.cohort}, n = {about.patients:g}", loc="left", pad=4)
    write_notes(figure, notes, left=0.1, bottom=0.06)
    return figure


def _choose(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the sources to show, in order, with the name of their row."""
    sources = rows.drop_duplicates("source")
    plain = sources[sources["kind"].isin([PLAIN_GAN, COMPARED_GAN])]
    score = plain["validation_dsc"].fillna(-np.inf)
    architecture = [GanName.parse(source).arch for source in plain["source"]]
    groups = [
        sources[sources["kind"] == REAL],
        sources[sources["kind"] == VOTE],
        sources[(sources["kind"] == PRIVATE_UNET) & sources["best"]],
        plain.loc[score.groupby(architecture, sort=False).idxmax()],
        sources[sources["source"] == choose_private(rows)],
        select_references(sources, kinds=FREE_KINDS),
    ]
    shown = pd.concat(groups, ignore_index=True)[IDENTITY]
    shown["name"] = [_name(row) for row in shown.itertuples()]
    return shown


def _name(row: Any) -> str:
    if row.kind in (REAL, *FREE_KINDS):
        return "real patches" if row.kind == REAL else f"{row.source} (ε = 0)"
    if row.kind == VOTE:
        return f"vote, ε = {format_eps(row.eps_patient)} a patient"
    if row.kind == PRIVATE_UNET:
        return f"private U-Net, {say_eps(row.eps, unit=row.unit)}"
    published = "" if row.kind != PRIVATE_GAN else f" (published {format_eps(row.eps_published)})"
    spent = say_eps(row.eps, unit=row.unit if row.kind == PRIVATE_GAN else "")
    return f"{GanName.parse(row.source).arch.upper()}, {spent}{published}"


def _draw_panel(axes: Axes, part: pd.DataFrame, *, metric: str) -> None:
    """Draw one cohort and metric; the numbers stand right of the panel."""
    means = part[part["shows"] == "mean"]
    axes.set_ylim(len(means) - 0.5, -0.5)
    highest = np.nanmax([1e-9, *part["value"], *(means["value"] + means["sd"])]) if len(part) else 1.0
    axes.set_xlim(0, 1 if metric == "dsc" else 1.05 * highest)
    axes.set_xlabel(_METRICS[metric], labelpad=1)
    axes.grid(axis="x", color="#E5E5E5", linewidth=0.5)
    axes.set_axisbelow(True)
    for y, row in enumerate(means.itertuples()):
        colour = PALETTE[_COLOURS[row.kind]]
        patients = part[(part["source"] == row.source) & (part["shows"] == "patient")]["value"]
        spots = {"markersize": 2.2, "markerfacecolor": "none", "markeredgewidth": 0.5, "clip_on": False}
        axes.plot(patients, np.full(len(patients), y + 0.18), "o", color=PALETTE["grey"], **spots)
        if np.isfinite(row.value):
            low, high = row.value - np.nan_to_num(row.sd), row.value + np.nan_to_num(row.sd)
            axes.hlines(y - 0.12, max(low, 0), high, color=colour, linewidth=1.2)
            axes.plot([row.value], [y - 0.12], "o", color=colour, markersize=4.2, clip_on=False)
        text = {"transform": axes.get_yaxis_transform(), "va": "center", "fontsize": SMALL}
        axes.text(1.04, y, format_score(row.value, row.sd), **text)


def _notes(means: pd.DataFrame) -> list[str]:
    if means.empty:
        return ["No scores."]
    voted = ", that of a vote one patient" if means["kind"].eq(VOTE).any() else ""
    notes = [
        "Large: mean ± SD over test patients, small: patients. "
        f"ε protects one training {name_unit(means)}{voted}."
    ]
    for kind, what in ((COMPARED_GAN, "other architecture"), (PRIVATE_GAN, "private GAN")):
        if not means["kind"].eq(kind).any():
            notes.append(f"No {what} in this table.")
    if means["empty"].gt(0).any():
        notes.append("An empty prediction counts as DSC 0 and the diagonal of the brain's box.")
    return notes + describe_gaps(means)
