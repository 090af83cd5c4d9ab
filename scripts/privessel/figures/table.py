"""Table 1: scores of the real patches, the best GANs, the controls and all that costs no privacy."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from privessel.figures.significance import add_intervals, describe_intervals
from privessel.figures.style import PALETTE, SMALL, format_eps, styled, wrap_notes, write_notes
from privessel.files.tables import as_text
from privessel.scores.tally import (
    FREE,
    IDENTITY,
    choose_private,
    describe_gaps,
    format_interval,
    format_score,
    name_cohorts,
    name_unit,
    order_levels,
    tally,
)

_METRICS = (
    ("dsc", "DSC", True),
    ("bahd_voxel", "bAHD (voxels)", False),
)  # column, heading, whether more is better
_COLUMNS = [
    *("row", *IDENTITY, "cohort", "patients", "scored", "empty"),
    *(f"{metric}_{what}" for metric, _, _ in _METRICS for what in ("mean", "sd", "low", "high")),
    *("best_synthetic", "beats_private"),
]
_FREE_NAMES = {
    "phantom-random": "phantom-random (many settings)",
    "phantom-one": "phantom-one (one setting)",
    "threshold": "Global threshold",
    "frangi": "Frangi filter",
}
_EPS, _PUBLISHED, _FIRST_SCORE, _SCORE = (
    2.35,
    2.95,
    3.35,
    1.0,
)  # inches from the left; width of a score column
_BELOW = {"fontsize": SMALL - 0.5, "color": PALETTE["grey"]}
_HEAD, _LOW, _TALL = (
    0.47,
    0.21,
    0.33,
)  # heights of the head, of a row, and of a row with a name or an interval below


def table1_data(scores: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Return table 1, one line per row and cohort: means, SDs and 95 % intervals over test patients.

    Rows: real patches; the best run without privacy and the best private run, both by validation DSC; the
    controls with shuffled labels; the eps = 0 rows. `{metric}_low` and `_high` are the interval of the mean,
    drawn with `seed`; NaN with fewer than three patients. `best_synthetic` names the metrics in which the
    row is the best of the GAN rows (bold), `beats_private` those in which an eps = 0 row is at least as good
    as the best private run (dagger).
    """
    rows = add_intervals(tally(scores), scores, seed=seed)
    private = choose_private(rows)
    levels = order_levels(rows)
    groups = [
        ("Real patches", rows[rows["source"] == "real"]),
        ("GAN without privacy", levels[(levels["kind"] == "inf") & levels["best"]]),
        ("GAN, best private run", rows[rows["source"] == private]),
        ("Control: labels shuffled", rows[rows["kind"] == "control"]),
        *((_FREE_NAMES[source], rows[rows["source"] == source]) for source in FREE),
    ]
    table = pd.concat([part.assign(row=name) for name, part in groups], ignore_index=True)
    table["best_synthetic"], table["beats_private"] = "", ""
    for _, part in table.groupby("cohort", sort=False):
        for metric, _, more_is_better in _METRICS:
            means = part[f"{metric}_mean"] * (1 if more_is_better else -1)
            gans = means[part["kind"].isin(["inf", "private", "control"])].dropna()
            table.loc[gans.index[gans == gans.max()], "best_synthetic"] += f"{metric} "
            free, own = means[part["source"].isin(FREE)].dropna(), means[part["source"] == private].dropna()
            if len(own):
                table.loc[free.index[free >= own.iloc[0]], "beats_private"] += f"{metric} "
    for column in ("best_synthetic", "beats_private"):
        table[column] = table[column].str.strip()
    return table[_COLUMNS]


@styled
def table1(data: pd.DataFrame) -> Figure:
    """Draw `table1_data` as a printed table. Source: Kossen et al. 2022, table 1."""
    data = data.assign(**{mark: as_text(data[mark]) for mark in ("best_synthetic", "beats_private")})
    cohorts = name_cohorts(data)
    rows = data.drop_duplicates(["row", "source"])
    with_intervals = data["dsc_low"].notna().any()
    depths = [_LOW if pd.isna(row.run) and not with_intervals else _TALL for row in rows.itertuples()]
    width = _FIRST_SCORE + 2 * len(cohorts) * _SCORE + 0.05
    notes = wrap_notes(_notes(data), width=width - 0.2)
    height = _HEAD + sum(depths) + 0.2 + 0.13 * len(notes)
    figure = Figure(figsize=(width, height))
    page = figure.add_axes(
        (0, 0, 1, 1), xlim=(0, width), ylim=(height, 0)
    )  # inches from the upper left corner
    page.set_axis_off()
    _draw_head(page, data, cohorts)
    y, previous = _HEAD, ""
    for row, depth in zip(rows.itertuples(), depths, strict=True):
        if row.source in FREE and previous and previous not in FREE:
            _rule(page, y, linewidth=0.4)
        previous = row.source
        line = y + 0.15
        page.text(0.1, line, row.row)
        if pd.notna(row.run):
            page.text(0.1, line + 0.12, row.source, **_BELOW)
        page.text(_EPS, line, "0" if row.source in FREE else format_eps(row.eps), ha="center")
        page.text(_PUBLISHED, line, format_eps(row.eps_published), ha="center")
        for k, cohort in enumerate(cohorts):
            cell = data[
                (data["row"] == row.row) & (data["source"] == row.source) & (data["cohort"] == cohort)
            ].iloc[0]
            for m, (metric, _, _) in enumerate(_METRICS):
                dagger = " †" if metric in cell["beats_private"].split() else ""
                middle = _FIRST_SCORE + (2 * k + m + 0.5) * _SCORE
                page.text(
                    middle,
                    line,
                    format_score(cell[f"{metric}_mean"], cell[f"{metric}_sd"]) + dagger,
                    ha="center",
                    fontweight="bold" if metric in cell["best_synthetic"].split() else "normal",
                )
                interval = format_interval(cell[f"{metric}_low"], cell[f"{metric}_high"])
                page.text(middle, line + 0.12, interval, ha="center", **_BELOW)
        y += depth
    _rule(page, y, linewidth=1.0)
    write_notes(figure, notes, left=0.1, bottom=0.06)
    return figure


def _draw_head(page: Axes, data: pd.DataFrame, cohorts: list[str]) -> None:
    _rule(page, 0.06, linewidth=1.0)
    page.text(0.1, 0.4, "U-Net trained on, or filter")
    page.text(_EPS, 0.4, "valid ε", ha="center")
    page.text(_PUBLISHED, 0.4, "published ε", ha="center")
    for k, cohort in enumerate(cohorts):
        left = _FIRST_SCORE + 2 * k * _SCORE
        patients = data[data["cohort"] == cohort]["patients"].iloc[0]
        page.text(
            left + _SCORE, 0.21, f"{cohort} ({patients} patient{'s' if patients > 1 else ''})", ha="center"
        )
        page.plot([left + 0.08, left + 2 * _SCORE - 0.08], [0.26, 0.26], color="black", linewidth=0.4)
        for m, (_, heading, _) in enumerate(_METRICS):
            page.text(left + (m + 0.5) * _SCORE, 0.4, heading, ha="center")
    _rule(page, _HEAD, linewidth=0.6)


def _rule(page: Axes, y: float, *, linewidth: float) -> None:
    page.plot([0.05, page.get_xlim()[1] - 0.05], [y, y], color="black", linewidth=linewidth)


_PROTECTED = {"patch": "one training patch, not a whole patient", "patient": "one whole training patient"}


def _notes(data: pd.DataFrame) -> list[str]:
    notes = [
        "Mean ± SD over test patients. Bold: best of the GAN rows.",
        *(["Below: 95 % bootstrap interval of the mean."] if data["dsc_low"].notna().any() else []),
        f"ε protects {_PROTECTED[name_unit(data)]}; the ε = 0 rows use no training patient.",
    ]
    if data["beats_private"].ne("").any():
        notes.append("† At least as good as the best private run, at no cost in privacy.")
    if not data["kind"].eq("private").any():
        notes.append("No private GAN in this table.")
    return notes + describe_gaps(data) + describe_intervals(data)
