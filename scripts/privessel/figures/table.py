"""Table 1: scores of the real patches, the best GANs, the controls and all that costs no privacy."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from privessel.figures.significance import add_intervals, describe_intervals
from privessel.figures.style import PALETTE, SMALL, draw_rule, open_page, styled, wrap_notes, write_notes
from privessel.files.tables import as_text
from privessel.scores.formatting import eps_columns, format_eps, format_interval, format_score
from privessel.scores.references import list_free
from privessel.scores.tally import (
    IDENTITY,
    METRICS,
    choose_private,
    describe_gaps,
    name_cohorts,
    name_unit,
    order_levels,
    tally,
)
from privessel.study.names import CONTROL, FREE_KINDS, PLAIN_GAN, PRIVATE_GAN, PRIVATE_UNET, REAL, VOTE

# Heading, and whether more is better. One block of the table shows two metrics of every cohort.
_HEADINGS = {
    "dsc": ("DSC", True),
    "bahd_voxel": ("bAHD (voxels)", False),
    "cldice": ("clDice", True),
    "component_error": ("component error", False),
}
_BLOCKS = (("dsc", "bahd_voxel"), ("cldice", "component_error"))
_MARKS = ("best_synthetic", "beats_private", "beats_votes")
_COLUMNS = [
    *("row", *IDENTITY, "cohort", "patients", "scored", "empty"),
    *(f"{metric}_{what}" for metric in METRICS for what in ("mean", "sd", "low", "high")),
    *_MARKS,
]
# How the table prints sources of the shipped studies; all others stand under their own names.
_FREE_NAMES = {
    "phantom-random": "phantom-random (many settings)",
    "phantom-one": "phantom-one (one setting)",
    "threshold": "Global threshold",
    "frangi": "Frangi filter",
}
_PROTECTED = {
    "patch": "Noise was set for one training patch. A region: all patches of a patient that show one place.",
    "patient": "Noise was set for one whole training patient, which covers regions and patches.",
}
# Inches: columns from the left, and the width of a score's column.
_EPS, _EPS_APART, _SCORE = 2.4, 0.56, 1.0
# Inches: heights of the head, of a row, of a row with a name or an interval below, and between blocks.
_HEAD, _LOW, _TALL, _BETWEEN = 0.47, 0.21, 0.33, 0.12
_BELOW = {"fontsize": SMALL - 0.5, "color": PALETTE["grey"]}


def table1_data(scores: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Return table 1, one line per row and cohort: means, SDs and 95 % intervals over test patients.

    Rows: real patches; the votes of patients; the best private U-Net of each level; the best run without
    privacy and the best private run, all by validation DSC; the controls with shuffled labels; the eps = 0
    rows. `{metric}_low` and `_high` are the interval of the mean, drawn with `seed`; NaN with fewer than
    three patients. `best_synthetic` names the metrics in which the row is the best of the GAN rows (bold),
    `beats_private` and `beats_votes` those in which an eps = 0 row is at least as good as the best private
    run (dagger), and as every vote (double dagger).
    """
    rows = add_intervals(tally(scores), scores, metrics=METRICS, seed=seed)
    private = choose_private(rows)
    levels = order_levels(rows)
    groups = [
        ("Real patches", rows[rows["kind"] == REAL]),
        ("Vote of patients", rows[rows["kind"] == VOTE]),
        ("Private U-Net (no data)", levels[(levels["kind"] == PRIVATE_UNET) & levels["best"]]),
        ("GAN without privacy", levels[(levels["kind"] == PLAIN_GAN) & levels["best"]]),
        ("GAN, best private run", rows[rows["source"] == private]),
        ("Control: labels shuffled", rows[rows["kind"] == CONTROL]),
        *((_FREE_NAMES.get(name, name), rows[rows["source"] == name]) for name in list_free(rows)),
    ]
    table = pd.concat([part.assign(row=name) for name, part in groups], ignore_index=True)
    marks = {name: pd.Series("", table.index) for name in _MARKS}
    for _, part in table.groupby("cohort", sort=False):
        for metric, (_, more_is_better) in _HEADINGS.items():
            means = part[f"{metric}_mean"] * (1 if more_is_better else -1)
            gans = means[part["kind"].isin([PLAIN_GAN, PRIVATE_GAN, CONTROL])].dropna()
            marks["best_synthetic"][gans.index[gans == gans.max()]] += f"{metric} "
            free = means[part["kind"].isin(FREE_KINDS)].dropna()
            rivals = {"beats_private": part["source"] == private, "beats_votes": part["kind"] == VOTE}
            for name, rival in rivals.items():
                # Without a rival nothing is beaten; a comparison with NaN is false.
                marks[name][free.index[free >= means[rival].max()]] += f"{metric} "
    return table.assign(**{column: mark.str.strip() for column, mark in marks.items()})[_COLUMNS]


@styled
def table1(data: pd.DataFrame) -> Figure:
    """Draw `table1_data` as a printed table. Source: Kossen et al. 2022, table 1.

    The upper block has the paper's metrics. The lower one shows whether the vessels hang together as they
    should: clDice and the error in the number of connected components.
    """
    data = data.assign(**{mark: as_text(data[mark]) for mark in _MARKS})
    cohorts = name_cohorts(data)
    rows = data.drop_duplicates(["row", "source"])
    with_intervals = data["dsc_low"].notna().any()
    depths = [_LOW if pd.isna(row.run) and not with_intervals else _TALL for row in rows.itertuples()]
    width = _first_score(data) + 2 * len(cohorts) * _SCORE + 0.05
    notes = wrap_notes(_notes(data), width=width - 0.2)
    block = _HEAD + sum(depths)
    height = len(_BLOCKS) * block + (len(_BLOCKS) - 1) * _BETWEEN + 0.2 + 0.13 * len(notes)
    figure = Figure(figsize=(width, height))
    page = open_page(figure)
    for k, metrics in enumerate(_BLOCKS):
        top = k * (block + _BETWEEN)
        _draw_head(page, data, metrics=metrics, top=top)
        y, previous = top + _HEAD, None
        for row, depth in zip(rows.itertuples(), depths, strict=True):
            if row.kind in FREE_KINDS and previous is not None and previous not in FREE_KINDS:
                draw_rule(page, y, linewidth=0.4)
            previous = row.kind
            _draw_row(page, data, row, metrics=metrics, y=y + 0.15)
            y += depth
        draw_rule(page, y, linewidth=1.0)
    write_notes(figure, notes, left=0.1, bottom=0.06)
    return figure


def _first_score(data: pd.DataFrame) -> float:
    return _EPS + (len(eps_columns(name_unit(data))) - 0.4) * _EPS_APART


def _draw_head(page: Axes, data: pd.DataFrame, *, metrics: tuple[str, str], top: float) -> None:
    spent = eps_columns(name_unit(data))
    draw_rule(page, top + 0.06, linewidth=1.0)
    page.text(0.1, top + 0.4, "U-Net trained on, or filter")
    page.text(_EPS + 0.5 * (len(spent) - 2) * _EPS_APART, top + 0.21, "ε of one", ha="center")
    for k, name in enumerate(spent):
        page.text(_EPS + k * _EPS_APART, top + 0.4, name, ha="center")
    for k, cohort in enumerate(name_cohorts(data)):
        left = _first_score(data) + 2 * k * _SCORE
        patients = data[data["cohort"] == cohort]["patients"].iloc[0]
        head = f"{cohort} ({patients} patient{'s' if patients > 1 else ''})"
        page.text(left + _SCORE, top + 0.21, head, ha="center")
        page.plot([left + 0.08, left + 2 * _SCORE - 0.08], [top + 0.26] * 2, color="black", linewidth=0.4)
        for m, metric in enumerate(metrics):
            page.text(left + (m + 0.5) * _SCORE, top + 0.4, _HEADINGS[metric][0], ha="center")
    draw_rule(page, top + _HEAD, linewidth=0.6)


def _draw_row(page: Axes, data: pd.DataFrame, row, *, metrics: tuple[str, str], y: float) -> None:
    """Draw one source's name, eps and scores of all cohorts, its base line `y` inches from the top."""
    page.text(0.1, y, row.row)
    if pd.notna(row.run):
        page.text(0.1, y + 0.12, row.source, **_BELOW)
    for k, (name, column) in enumerate(eps_columns(name_unit(data)).items()):
        free = row.kind in FREE_KINDS and name != "published"
        page.text(_EPS + k * _EPS_APART, y, "0" if free else format_eps(getattr(row, column)), ha="center")
    same = data[(data["row"] == row.row) & (data["source"] == row.source)]
    for k, (_, cell) in enumerate(same.set_index("cohort").loc[name_cohorts(data)].iterrows()):
        for m, metric in enumerate(metrics):
            daggers = {"beats_private": " †", "beats_votes": " ‡"}
            dagger = "".join(sign for name, sign in daggers.items() if metric in cell[name].split())
            weight = "bold" if metric in cell["best_synthetic"].split() else "normal"
            middle = _first_score(data) + (2 * k + m + 0.5) * _SCORE
            text = format_score(cell[f"{metric}_mean"], cell[f"{metric}_sd"]) + dagger
            page.text(middle, y, text, ha="center", fontweight=weight)
            interval = format_interval(cell[f"{metric}_low"], cell[f"{metric}_high"])
            page.text(middle, y + 0.12, interval, ha="center", **_BELOW)


def _notes(data: pd.DataFrame) -> list[str]:
    notes = [
        "Mean ± SD over test patients. Bold: best of the GAN rows.",
        *(["Below: 95 % bootstrap interval of the mean."] if data["dsc_low"].notna().any() else []),
        f"{_PROTECTED[name_unit(data)]} The ε = 0 rows use no training patient.",
    ]
    if data["kind"].eq(VOTE).any():
        notes.append("A vote protects one whole training patient, replaced by an empty one, at delta 0.")
    if data["kind"].eq(PRIVATE_UNET).any():
        notes.append(
            "A private U-Net is a public one that was trained further on patients, by noisy gradients."
        )
    if data["beats_private"].ne("").any():
        notes.append("† At least as good as the best private run, at no cost in privacy.")
    if data["beats_votes"].ne("").any():
        notes.append("‡ At least as good as every vote, at no cost in privacy.")
    if not data["kind"].eq(PRIVATE_GAN).any():
        notes.append("No private GAN in this table.")
    return notes + describe_gaps(data) + describe_intervals(data)
