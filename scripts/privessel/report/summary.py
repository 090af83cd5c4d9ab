"""The text that ends a run: every model's eps and scores, and whether privacy was worth its cost."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from privessel.limits import VACUOUS
from privessel.report.verdict import (
    PUBLISHED_SEED,
    format_plain_eps,
    list_promising,
    tell_protection,
    tell_verdict,
)
from privessel.scores.formatting import eps_columns, format_score
from privessel.scores.references import select_references
from privessel.scores.tally import (
    describe_gaps,
    name_cohorts,
    name_unit,
    order_levels,
    tally,
)
from privessel.study.names import (
    COMPARED_GAN,
    CONTROL,
    FREE_KINDS,
    PRIVATE_GAN,
    PRIVATE_UNET,
    REAL,
    RUN_KINDS,
    VOTE,
)

FULL_STUDY = "paper"
_PROMISING = (PRIVATE_GAN, VOTE, PRIVATE_UNET)  # kinds with an eps
_HEADINGS = 2  # lines of headings of the table
_MEANING = {
    "patch": "eps: valid (PLD), of a whole patient, of a region (all patches of a place) and of a patch;\n"
    "'published' is what the paper's accounting would print for a patch.",
    "patient": "eps: valid (PLD) of a whole patient, which covers every region and patch;\n"
    "'published' is what the paper's accounting would print.",
}
_VOTES = (
    "A vote: pure eps (delta 0) of a whole patient, replaced by an empty one, and twice that of what\n"
    "changes inside of a patient. No run of the paper is like it, so nothing is published."
)
_UNETS = (
    "A private U-Net: a public U-Net that was trained further on patients, by noisy gradients. It is a\n"
    "model and has no data that could be shared. No run of the paper is like it, so nothing is published."
)
_IN_NAME_ONLY = (
    "In name only: the training scans are public, so noise and draws come from a published seed, and every\n"
    "eps says what the same run would promise if its seed were secret."
)


def summary(
    scores: pd.DataFrame,
    *,
    figures: Sequence[Path],
    study: str,
    public: bool,
    expectations: pd.DataFrame | None = None,
) -> str:
    """Return a table of models with eps and scores, a verdict on the private ones, where the pictures are.

    scores: the long table of `tally`. One line a level: its best run by validation DSC. public: whether the
    training cohort is public, so that all noise comes from a published seed and protects nobody.
    expectations: what each vote is worth over all its draws, where the study has votes (`vote.expectation`).
    Plain ASCII.
    """
    rows = tally(scores)
    cohorts = name_cohorts(rows)
    levels = order_levels(rows)
    shown = pd.concat(
        [
            rows[rows["kind"] == REAL],
            levels[levels["best"]].iloc[::-1],
            rows[rows["kind"] == COMPARED_GAN],
            rows[rows["kind"] == CONTROL],
            select_references(rows, kinds=FREE_KINDS),
        ]
    )
    what = "segmentation of whole test volumes: mean +- SD over patients, bAHD in voxels"
    lines = [f"privessel, study '{study}': {what}", ""]
    lines += [
        *_headline(rows, public=public),
        *_lay_out(_table(shown, rows, cohorts)),
        "",
        _MEANING[name_unit(rows)],
    ]
    lines += [_VOTES] if rows["kind"].eq(VOTE).any() else []
    lines += [_UNETS] if rows["kind"].eq(PRIVATE_UNET).any() else []
    lines += [_IN_NAME_ONLY] if public and rows["kind"].isin(_PROMISING).any() else []
    lines += [f"Note: {note}" for note in describe_gaps(shown)]
    lines += ["", "What protects patients, and what is it worth?"]
    lines += tell_protection(rows, cohorts, expectations, public=public)
    lines += ["", "Does what protects anything beat the eps = 0 rows?", *tell_verdict(rows, cohorts)]
    lines += ["", *_pictures(figures)]
    if study != FULL_STUDY:
        lines += [
            "",
            f"This is '{study}' scale, not the paper's: few patients, small networks, short training.",
            "It shows that every step works, and little about what the method reaches at full size.",
        ]
    return "\n".join(lines) + "\n"


def _headline(rows: pd.DataFrame, *, public: bool) -> list[str]:
    """Say first what each vote and the chosen private models promise to a patient, a region and a patch."""
    lines = []
    for private in list_promising(rows):
        first = rows[rows["source"] == private].iloc[0]
        spent = first["eps_patient"]
        kept = PUBLISHED_SEED if public else "a promise to every training patient"
        worth = "which promises nothing" if spent > VACUOUS else kept
        lines.append(f"What {private} promises to a whole patient: eps {format_plain_eps(spent)}, {worth}.")
        if name_unit(rows) == "patch" and first["kind"] != VOTE:
            region, patch = format_plain_eps(first["eps_region"]), format_plain_eps(first["eps"])
            only = f", {PUBLISHED_SEED}" if public else ""
            told = f"To one region, a place on a vessel: eps {region}. To one patch: eps {patch}{only}."
            lines.append(told)
    return [*lines, ""] if lines else []


def _table(shown: pd.DataFrame, rows: pd.DataFrame, cohorts: list[str]) -> list[list[str]]:
    """Return cells, two lines of headings first; a level's scores are those of its best run."""
    runs = rows.groupby("model")["source"].nunique()
    spent = eps_columns(name_unit(rows))
    table = [
        ["", *["eps of"] * (len(spent) - 1), "", *(text for cohort in cohorts for text in (cohort, ""))],
        ["trained on, or filter", *spent, *(text for _ in cohorts for text in ("DSC", "bAHD"))],
    ]
    for source, part in shown.groupby("source", sort=False):
        first = part.iloc[0]
        count = runs[first["model"]] if first["kind"] in RUN_KINDS else 1
        cells = [f"{source}, best of {count} runs" if count > 1 else source]
        free = first["kind"] in FREE_KINDS
        cells += [
            "0" if free and name != "published" else format_plain_eps(first[column])
            for name, column in spent.items()
        ]
        for cohort in cohorts:
            row = part[part["cohort"] == cohort].iloc[0]
            cells.append(format_score(row["dsc_mean"], row["dsc_sd"], sign="+-"))
            cells.append(format_score(row["bahd_voxel_mean"]))
        table.append(cells)
    return table


def _lay_out(table: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))]
        )
        for row in table
    ]
    lines.insert(_HEADINGS, "-" * len(lines[0]))
    return [line.rstrip() for line in lines]


def _pictures(figures: Sequence[Path]) -> list[str]:
    if not figures:
        return ["No figures were drawn."]
    lines = ["Pictures:"]
    for path in map(Path, figures):
        lines.append(f"  {path}" if path.exists() else f"  {path} (missing)")
    return lines
