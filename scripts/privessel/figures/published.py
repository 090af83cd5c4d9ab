"""The papers' published results beside this run's counterparts, as a table."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from privessel.figures.style import PALETTE, SMALL, draw_rule, open_page, styled, wrap_notes, write_notes
from privessel.files.tables import as_text
from privessel.scores.formatting import format_eps, format_score, say_eps
from privessel.scores.references import list_free
from privessel.scores.tally import choose_private, name_cohorts, tally
from privessel.scores.transfer import FROM_SCRATCH
from privessel.study.names import PLAIN_GAN, PRIVATE_GAN, REAL, GanName

FID = (
    "FID"  # what quality.csv calls the distance of Inception features; any other extractor gives another one
)
_TEXT = ("quantity", "model", "role", "cohort", "relation", "citation", "where", "source", "remark")
_COLUMNS = ["quantity", "model", "noise_multiplier", "eps_published", "role", "cohort", "relation", "value"]
_COLUMNS += [
    "citation",
    "where",
    "found",
    "sd",
    "source",
    "found_eps",
    "found_eps_published",
    "found_unit",
    "remark",
]
_QUANTITIES = {
    "dsc": "DSC",
    "hd95_voxel": "HD95",
    "frechet_train": "FID to training patches",
    "ssim_mean": "mean SSIM of pairs of images",
}
_MODELS = {
    "inf": "GAN without privacy",
    "private": "best private run",
    "private-below": "private levels",
    "noise": "private level",
    "real": "real patches",
    "wgan-gp-sn": "WGAN-GP-SN without privacy",
    "transfer": "transfer, one patient",
    "scratch": "no pre-training, one patient",
    "free": "no privacy spent (ε = 0)",
}
_ROLES = {"own": "own test patients", "second": "second test cohort", "train": "training patients"}
# Inches: columns from the left, heights of the head and of a row, width.
_PAPER, _FOUND, _SOURCE, _HEAD, _ROW, _WIDTH = 3.1, 3.95, 4.6, 0.45, 0.31, 8.0


def published_data(
    published: pd.DataFrame, scores: pd.DataFrame, quality: pd.DataFrame, transfer: pd.DataFrame
) -> pd.DataFrame:
    """Return the published results with this run's counterpart in `found`, then its eps = 0 rows.

    published: `quantity`, `model`, `noise_multiplier` and `eps_published` of the paper's model, `cohort`
    (own, second, train), `relation` (=, <, >), `value`, `citation`, `where`. scores, quality, transfer: the
    study's tables; the last two may be empty. A counterpart is the mean over test patients with `sd`; for
    `<` the highest of the levels below that published eps, for `>` the lowest. `found` is NaN where there is
    none, `remark` says what differs. `role` is the paper's cohort and `cohort` this run's name for it. Rows
    without `value` are not in the papers.
    """
    rows = tally(scores)
    scores, quality, transfer = (
        frame.assign(**{name: as_text(frame[name]) for name in ("source", "start") if name in frame})
        for frame in (scores, quality, transfer)
    )
    cohorts = dict(zip(("own", "second"), name_cohorts(rows), strict=False))
    table = []
    for record in published.to_dict("records"):
        role = record["cohort"]
        about = record | {"role": role, "cohort": cohorts.get(role, "")}
        if record["model"] in ("transfer", "scratch"):
            counterpart = _find_transfer(record, transfer)
        elif record["quantity"] in ("frechet_train", "ssim_mean"):
            counterpart = _find_quality(record, rows, quality)
        else:
            counterpart = _find_score(record, rows, scores, cohort=cohorts.get(role, ""))
        table.append(about | counterpart)
    for source in list_free(rows):
        for role, cohort in cohorts.items():
            row = {"quantity": "dsc", "model": "free", "role": role, "cohort": cohort, "found_eps": 0.0}
            table.append(row | _mean(scores, source=source, cohort=cohort, quantity="dsc"))
    return pd.DataFrame(table, columns=_COLUMNS)


@styled
def published(data: pd.DataFrame) -> Figure:
    """Draw `published_data` as a table: what the papers print, what this run has, and from which source."""
    data = data.assign(**{name: as_text(data[name]) for name in _TEXT})
    groups = [(name or "Not in the papers", part) for name, part in data.groupby("citation", sort=False)]
    notes = wrap_notes(_notes(data), width=_WIDTH - 0.2)
    height = _HEAD + len(groups) * 0.26 + len(data) * _ROW + 0.2 + 0.13 * len(notes)
    figure = Figure(figsize=(_WIDTH, height))
    page = open_page(figure)
    draw_rule(page, 0.06, linewidth=1.0)
    for x, text, align in (
        (0.1, "result", "left"),
        (_PAPER, "published", "center"),
        (_FOUND, "this run", "center"),
        (_SOURCE, "source in this run", "left"),
    ):
        page.text(x, 0.32, text, ha=align)
    y = _HEAD
    for name, part in groups:
        draw_rule(page, y - 0.02, linewidth=0.6)
        page.text(0.1, y + 0.12, name, fontweight="bold")
        y += 0.26
        for row in part.itertuples():
            _draw_row(page, row, y=y)
            y += _ROW
    draw_rule(page, y, linewidth=1.0)
    write_notes(figure, notes, left=0.1, bottom=0.06)
    return figure


def _find_score(record: dict, rows: pd.DataFrame, scores: pd.DataFrame, *, cohort: str) -> dict:
    if record["model"] == "private-below":
        private = rows[(rows["cohort"] == cohort) & (rows["kind"] == PRIVATE_GAN) & rows["best"]]
        below = private[private["eps_published"] < record["eps_published"]]
        below = below[below["dsc_mean"].notna()]
        source = below.loc[below["dsc_mean"].idxmax(), "source"] if len(below) else None
    else:
        source = _find_source(record, rows)
    mean = _mean(scores, source=source, cohort=cohort, quantity=record["quantity"])
    return mean | _find_eps(rows, source) | {"remark": _remark(record)}


def _find_quality(record: dict, rows: pd.DataFrame, quality: pd.DataFrame) -> dict:
    quantity = record["quantity"]
    if quality.empty:
        return {}
    if record["model"] == "private-below":
        below = (quality["kind"] == PRIVATE_GAN) & (quality["eps_published"] < record["eps_published"])
        chosen = quality[below & quality[quantity].notna()].sort_values(quantity, kind="stable").head(1)
    else:
        chosen = quality[quality["source"] == _find_source(record, rows)]
    if chosen.empty:
        return {}
    row = chosen.iloc[0]
    counterpart = {"found": row[quantity], "sd": np.nan, "source": row["source"], "remark": _remark(record)}
    if quantity == "frechet_train" and row["extractor"] != FID:
        counterpart["remark"] = f"not FID: {row['extractor']}"
    return counterpart | _eps_of(row)


def _find_transfer(record: dict, transfer: pd.DataFrame) -> dict:
    if transfer.empty:
        return {}
    starts = transfer["start"]
    pretrained = starts.map(_architecture) == "wgan-gp-sn"
    is_start = pretrained if record["model"] == "transfer" else starts == FROM_SCRATCH
    rows = transfer[is_start & (transfer["patients"] == 1)]
    over_draws = rows.groupby("patient")[record["quantity"]].mean()
    if over_draws.isna().all():
        return {}
    mean = {"found": over_draws.mean(), "sd": over_draws.std(ddof=1), "source": rows["start"].iloc[0]}
    spent = {"found_eps": rows["eps"].iloc[0], "found_unit": rows["unit"].iloc[0]}
    return mean | spent | {"remark": _remark(record)}


def _find_source(record: dict, rows: pd.DataFrame) -> str | None:
    """Return the run that stands for the paper's model: the best by validation DSC among those alike."""
    if record["model"] == "private":
        return choose_private(rows)
    if record["model"] in (PLAIN_GAN, REAL):
        alike = rows[rows["kind"] == record["model"]]
    elif record["model"] == "noise":
        alike = rows[
            (rows["kind"] == PRIVATE_GAN) & np.isclose(rows["noise_multiplier"], record["noise_multiplier"])
        ]
    else:
        alike = rows[[_architecture(source) == record["model"] for source in rows["source"]]]
    if alike.empty:
        return None
    return alike.loc[alike["validation_dsc"].fillna(-np.inf).idxmax(), "source"]


def _architecture(source: str) -> str | None:
    return GanName.parse(source).arch if GanName.is_one(source) else None


def _mean(scores: pd.DataFrame, *, source: str | None, cohort: str, quantity: str) -> dict:
    values = scores.loc[(scores["source"] == source) & (scores["cohort"] == cohort), quantity]
    return {"found": values.mean(), "sd": values.std(ddof=1), "source": source or ""}


def _find_eps(rows: pd.DataFrame, source: str | None) -> dict:
    identity = rows[rows["source"] == source]
    if identity.empty:
        return {}
    return _eps_of(identity.iloc[0])


def _eps_of(row: pd.Series) -> dict:
    published = {"found_eps_published": row["eps_published"]}
    return {"found_eps": row["eps"], "found_unit": row["unit"]} | published


def _remark(record: dict) -> str:
    if record["model"] == "private-below":
        which = "highest" if record["relation"] == "<" else "lowest"
        return f"the {which} of the levels with a published ε below {record['eps_published']:g}"
    if record["quantity"] == "hd95_voxel":
        return "in voxels; the abstract names no unit"
    return ""


def _draw_row(page: Axes, row, *, y: float) -> None:
    small = {"fontsize": SMALL - 0.5, "color": PALETTE["grey"]}
    result = f"{_QUANTITIES[row.quantity]}, {_MODELS[row.model]}"
    if np.isfinite(row.eps_published):
        below = f"ε < {format_eps(row.eps_published)}"
        result += f", {below if row.model == 'private-below' else say_eps(row.eps_published)}"
    page.text(0.1, y + 0.12, result)
    cohort = f"{_ROLES.get(row.role, '')} (here {row.cohort})" if row.cohort else _ROLES.get(row.role, "")
    page.text(0.1, y + 0.23, "; ".join(text for text in (cohort, row.where) if text), **small)
    page.text(_PAPER, y + 0.12, _published(row), ha="center")
    page.text(_FOUND, y + 0.12, format_score(row.found, row.sd), ha="center")
    if np.isnan(row.found):
        return
    page.text(_SOURCE, y + 0.12, row.source, fontsize=SMALL)
    unit = row.found_unit if isinstance(row.found_unit, str) else ""
    eps = "" if np.isnan(row.found_eps) else say_eps(row.found_eps, unit=unit)
    if np.isfinite(row.found_eps_published):
        eps += f" (published {format_eps(row.found_eps_published)})"
    page.text(_SOURCE, y + 0.23, "; ".join(text for text in (eps, row.remark) if text), **small)


def _published(row) -> str:
    if np.isnan(row.value):
        return "–"
    return f"{row.value:g}" if row.relation == "=" else f"{row.relation} {row.value:g}"


def _notes(data: pd.DataFrame) -> list[str]:
    cohorts = [name for name in dict.fromkeys(data["cohort"]) if name]
    notes = [
        "Published: ε as the paper's accounting prints it. This run: mean ± SD over test patients, valid ε. "
        "The best run is chosen by validation DSC.",
        f"The papers tested on PEGASUS (own) and 1000Plus (second); this run on {' and '.join(cohorts)}.",
    ]
    if data["remark"].str.startswith("not FID").any():
        notes.append(
            "A Frechet distance of another extractor has another scale than FID: compare their order only."
        )
    return notes
