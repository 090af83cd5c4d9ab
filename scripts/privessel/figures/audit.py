"""The audit's figures: utility against privacy, and how well attacks recognise training patches."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from privessel.figures.attacks import SIZES, describe_attacks, measure_attacks
from privessel.figures.bounds import describe_bounds, draw_privacy, draw_risk, step_mark
from privessel.figures.marks import depth_of_labels, label_levels, write_inside
from privessel.figures.scores import draw_panel, fig3_data
from privessel.figures.significance import describe_intervals
from privessel.figures.style import place_axes, styled, wrap_notes, write_notes
from privessel.files.tables import as_text
from privessel.scores.tally import IDENTITY, column_of_unit, describe_gaps
from privessel.study.names import PLAIN_GAN, PRIVATE_GAN, GanName

_FINDING = ["canaries", "guesses", "right", "ceiling", "confidence", "p_value"]
_NUMBERS = ["value", "sd", "low", "high", "patients", "scored", "empty", *_FINDING, "chance", *SIZES]
_MARK = ["panel", "shows", "name", "cohort", "model"]
_TEXT = [*_MARK, "source", "kind", "level", "unit", "claim", "failed", "resampled"]
_COLUMNS = [*_MARK, *IDENTITY, *_NUMBERS, "claim", "failed", "resampled"]
# Inches. Utility against privacy: the right margin holds the names of lines and marks.
_LEFT, _RIGHT, _TOP, _PANEL, _BETWEEN = 0.95, 1.75, 0.28, 1.75, 0.36


def utility_privacy_data(
    scores: pd.DataFrame,
    bounds: pd.DataFrame,
    membership: pd.DataFrame,
    *,
    steps: Sequence[Mapping[str, Any]],
    unit: str,
    seed: int,
) -> pd.DataFrame:
    """Return what the figure shows, a row a mark, of the study's levels and of those only audited.

    scores: the scores table. bounds: a row an audited level and score, `audit.Finding` with arch, level, eps
    and canaries. membership: a row an audited level, attack and `membership.Attack`. steps: an audited level
    each, a `steps.StepFinding` with arch and level. unit: whom the noise of the GANs protects.
    Panel A is panel B of figure 3. B: `shows` upper, the accountant's eps, where audited that of the audited
    run; `shows` lower, the exact bound of the score `name`, with `claim` refuted or not refuted; `shows`
    gaussian, its bound if the trade-off is Gaussian; `shows` step, the bound from single steps, with what
    `failed`. C: the advantage of the attack `name` on patches. A level of several epochs was audited at its
    last.
    """
    utility = fig3_data(scores, seed=seed)
    utility = utility[utility["panel"] == "B"].assign(panel="A", name="")
    findings = bounds.assign(level=as_text(bounds["level"])).to_dict("records")
    risks = measure_attacks(membership, "advantage")
    levels = _add_audited(utility[utility["shows"] == "best"], [*findings, *risks], unit=unit)
    column = column_of_unit(pd.DataFrame([row for row, _ in levels], columns=IDENTITY))
    levels.sort(key=lambda level: (np.nan_to_num(level[0][column], nan=np.inf), level[0]["model"]))
    rows = [row for row, _ in levels] + utility[utility["shows"] == "reference"].to_dict("records")
    for row, audited in levels:
        about = {key: row[key] for key in ("model", *IDENTITY)} | {"panel": "B"}
        of_level = [finding for finding in findings if _key(finding) == audited]
        upper = of_level[0]["claimed_epsilon"] if of_level else row[column]
        rows.append(about | {"shows": "upper", "value": upper})
        for finding in of_level:
            mark = {key: finding[key] for key in _FINDING} | {"name": finding["score"]}
            mark |= {"value": finding["epsilon_low"]}
            mark |= {"claim": "refuted" if finding["refuted"] else "not refuted"}
            rows.append(about | {"shows": "lower"} | mark)
            gaussian = {"value": finding["epsilon_gaussian"], "ceiling": finding["ceiling_gaussian"]}
            shared = {key: mark[key] for key in ("name", "canaries", "guesses", "right", "confidence")}
            rows.append(about | {"shows": "gaussian"} | shared | gaussian)
        rows += [about | step_mark(step) for step in steps if _key(step) == audited]
    for row, audited in levels:
        about = {key: row[key] for key in ("model", *IDENTITY)} | {"panel": "C", "shows": "advantage"}
        rows += [risk | about | {"name": risk["attack"]} for risk in risks if _key(risk) == audited]
    return pd.DataFrame(rows, columns=_COLUMNS)


@styled
def utility_privacy(data: pd.DataFrame) -> Figure:
    """Draw `utility_privacy_data`: DSC (A), bounds on eps (B) and attack advantage (C) of every level."""
    # A CSV makes a number of the level `inf`, and numbers of text columns without entries.
    data = data.assign(**{name: as_text(data[name]) for name in _TEXT}).astype(dict.fromkeys(_NUMBERS, float))
    levels = data[(data["panel"] == "A") & (data["shows"] == "best")].reset_index(drop=True)
    across = max(2.6, len(levels) * float(np.clip(4.25 / max(len(levels), 1), 0.42, 0.62)))
    width = _LEFT + across + _RIGHT
    notes = wrap_notes(_notes(data), width=width - 0.24)
    height = _TOP + 3 * _PANEL + 2 * _BETWEEN + depth_of_labels(levels) + 0.13 * len(notes)
    figure = Figure(figsize=(width, height))
    cohort = next((f"{name}: " for name in data["cohort"] if name), "")
    panels = (
        (
            "A",
            f"{cohort}best run by validation DSC, mean ± SD",
            partial(draw_panel, metric="dsc", shows="best"),
        ),
        ("B", "what is known of ε: at most (accountant), at least (audits)", draw_privacy),
        ("C", "attacks on patients' patches: indicators of risk, not bounds", draw_risk),
    )
    for k, (panel, title, draw) in enumerate(panels):
        top = _TOP + k * (_PANEL + _BETWEEN)
        axes = place_axes(figure, left=_LEFT, top=top, width=across, height=_PANEL)
        above = 1 - (top - 0.08) / height
        figure.text(0.3 / width, above, panel, fontweight="bold", fontsize=9)
        figure.text(_LEFT / width, above, title)
        draw(axes, data[data["panel"] == panel], list(levels["model"]))
        axes.set_xlim(-0.6, max(len(levels), 1) - 0.4)
        axes.set_xticks(range(len(levels)), [])
        if levels.empty and draw in (draw_privacy, draw_risk):  # panel A says so itself
            write_inside(axes, 0.5, "no results", xdata=False)
    if len(levels):
        label_levels(figure.axes[-1], levels)
    write_notes(figure, notes, left=0.12, bottom=0.06)
    return figure


def _key(row: Mapping[str, Any]) -> tuple[str, str]:
    return row["arch"], row["level"]


def _add_audited(
    best: pd.DataFrame, audited: list[dict[str, Any]], *, unit: str
) -> list[tuple[dict[str, Any], tuple[str, str] | None]]:
    """Return the rows of panel A, each with arch and level of its audit, and rows of levels only audited."""
    by_epoch = best.sort_values("epoch", kind="stable")
    names = [GanName.parse(source) for source in by_epoch["source"]]
    last = {(name.arch, name.level): model for name, model in zip(names, by_epoch["model"], strict=True)}
    keys = {model: key for key, model in last.items()}
    levels = [(row, keys.get(row["model"])) for row in best.to_dict("records")]
    cohort = best[["cohort", "patients"]].iloc[0].to_dict() if len(best) else {"cohort": ""}
    for key, audit in {_key(row): row for row in audited if _key(row) not in last}.items():
        name, kind = "/".join(key), PRIVATE_GAN if np.isfinite(audit["eps"]) else PLAIN_GAN
        row = dict.fromkeys(IDENTITY, np.nan) | {"panel": "A", "shows": "best", "model": name, "source": name}
        row |= {"kind": kind, "level": key[1], "eps": audit["eps"], "scored": 0, "empty": 0}
        row |= {"unit": unit if kind == PRIVATE_GAN else ""}
        row |= {"eps_patient": audit["eps"]} if kind != PRIVATE_GAN or unit == "patient" else {}
        levels.append((row | cohort, key))
    return levels


def _notes(data: pd.DataFrame) -> list[str]:
    utility, risks = data[data["panel"] == "A"], data[data["panel"] == "C"]
    notes = describe_bounds(data[data["panel"] == "B"])
    if len(risks):
        notes += [f"C: {note}" for note in describe_attacks(risks)]
        notes.append("Chance alone: what 95 of 100 random memberships of whole patients stay below.")
    if (utility["cohort"] == "").all():
        return [*notes, "No scores in this table."]
    return notes + describe_gaps(utility) + describe_intervals(utility)
