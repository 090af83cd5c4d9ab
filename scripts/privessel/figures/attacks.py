"""Attacks on membership: how well each recognises training patches, as curves and as areas under them."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from privessel.figures.bounds import ATTACKS
from privessel.figures.curves import choose_looks, draw_curves
from privessel.figures.style import SMALL, open_page, place_axes, styled, wrap_notes, write_notes
from privessel.files.tables import as_text
from privessel.limits import LEAST_PATIENTS
from privessel.scores.formatting import format_interval, format_score, say_eps

SIZES = ["members", "others", "member_patients", "other_patients"]
_ATTACK = ["arch", "level", "run", "eps", "attack", "resampled", "members", "others"]
_CURVE = ["shows", "attack", "arch", "level", "run", "eps", "unit"]
_CURVE += ["false_rate", "value", "low", "high", "resampled"]
_ROC_LEFT, _ROC_TOP, _SQUARE, _ROC_BETWEEN, _LINE = 0.55, 0.3, 1.78, (0.35, 0.5), 0.145


def attacks_data(roc: pd.DataFrame, membership: pd.DataFrame, *, unit: str) -> pd.DataFrame:
    """Return the ROC curves of all attacks and audited levels, by rising eps, and the areas under them.

    roc: arch, level, run, eps, attack, false_rate, true_rate, low, high. `shows` curve: the true positive
    rate in `value`, with its band; `shows` auc: the area, of patches, with its 95 % interval. unit: whom the
    noise of the GANs protects.
    """
    curves = roc.assign(level=as_text(roc["level"])).rename(columns={"true_rate": "value"})
    rows = [row | {"shows": "curve", "resampled": "patient"} for row in curves.to_dict("records")]
    rows += [row | {"shows": "auc"} for row in measure_attacks(membership, "auc")]
    data = pd.DataFrame(rows, columns=[*_CURVE, *SIZES])
    data["unit"] = np.where(np.isfinite(data["eps"].astype(float)), unit, "")
    places = data["attack"].map({name: k for k, name in enumerate(ATTACKS)})
    order = ["_attack", "eps", "arch", "level", "shows", "false_rate"]
    return data.assign(_attack=places).sort_values(order, kind="stable", ignore_index=True)[data.columns]


@styled
def attacks(data: pd.DataFrame) -> Figure:
    """Draw `attacks_data`: ROC curves, a column an attack and a line a level; below, the areas under them."""
    text = {name: as_text(data[name]) for name in ("shows", "attack", "level", "unit", "resampled")}
    numbers = ["eps", "false_rate", "value", "low", "high", *SIZES]
    data = data.assign(**text).astype(dict.fromkeys(numbers, float))
    levels = data.drop_duplicates("level").sort_values("eps", kind="stable")
    looks = choose_looks(levels)
    width = _ROC_LEFT + 3 * _SQUARE + 2 * _ROC_BETWEEN[0] + 0.4
    notes = wrap_notes(describe_attacks(data[data["shows"] == "auc"]), width=width - 0.24)
    below = _ROC_TOP + 2 * _SQUARE + _ROC_BETWEEN[1] + 0.5
    height = below + _LINE * len(levels) + 0.13 * len(notes) + 0.15
    figure = Figure(figsize=(width, height))
    page = open_page(figure)
    # On two linear axes areas and distances from the diagonal are the AUC and the advantage. An attack that
    # is sure of a few patches and guesses the rest shows only on two logarithmic axes. These end at the rate
    # of one patch among the others, since no smaller rate can be measured.
    rates = data["false_rate"][data["false_rate"] * data["others"].max() >= 1]
    lowest = min(rates.min(), 0.5) if len(rates) else 0.01
    for column, (attack, (name, _, _)) in enumerate(ATTACKS.items()):
        left, of_attack = _ROC_LEFT + column * (_SQUARE + _ROC_BETWEEN[0]), data[data["attack"] == attack]
        page.text(left, _ROC_TOP - 0.1, name)
        for row in range(2):
            top = _ROC_TOP + row * (_SQUARE + _ROC_BETWEEN[1])
            axes = place_axes(figure, left=left, top=top, width=_SQUARE, height=_SQUARE)
            draw_curves(
                axes, of_attack[of_attack["shows"] == "curve"], looks=looks, lowest=lowest if row else None
            )
            axes.set_xlabel("false positive rate" + (" (log)" if row else ""), labelpad=1)
            if column:
                axes.tick_params(labelleft=False)
            else:
                axes.set_ylabel("true positive rate" + (" (log)" if row else ""), labelpad=1)
        areas = of_attack[of_attack["shows"] == "auc"].set_index("level")
        for k, level in enumerate(levels.itertuples()):
            y = below + k * _LINE
            colour, dashes = looks[level.level]
            page.plot([left, left + 0.16], [y, y], color=colour, linestyle=dashes)
            area = _format_area(areas.loc[level.level]) if level.level in areas.index else "no result"
            spent = say_eps(level.eps, unit=level.unit)
            page.text(left + 0.2, y, f"{spent}: {area}", va="center", fontsize=SMALL)
    write_notes(figure, notes, left=0.12, bottom=0.06)
    return figure


def measure_attacks(membership: pd.DataFrame, measure: str) -> list[dict[str, Any]]:
    """Return `measure` of every audited level and attack on patches: its value, and its interval.

    The interval is over patients, or over patches where they are too few. Chance is always that of whole
    patients: patches of one patient are alike, and would pass for an attack's success.
    """
    measured = []
    membership = membership.assign(level=as_text(membership["level"]))
    for _, rows in membership.groupby(["arch", "level", "attack"], sort=False):
        by = {(row["unit"], row["resampled"]): row for row in rows.to_dict("records")}
        patches, patients = by["patch", "patch"], by["patch", "patient"]
        used = patients if np.isfinite(patients[f"{measure}_low"]) else patches
        owners = by["patient", "patient"]
        measured.append(
            {key: used[key] for key in _ATTACK}
            | {"value": used[measure], "low": used[f"{measure}_low"], "high": used[f"{measure}_high"]}
            | {"chance": patients["advantage_chance"]}
            | {"member_patients": owners["members"], "other_patients": owners["others"]}
        )
    return measured


def describe_attacks(results: pd.DataFrame) -> list[str]:
    """Return sentences on whose patches were attacked, and on what the intervals are over."""
    notes = [
        f"{row.members:,.0f} patches of {row.member_patients:,.0f} training patients against "
        f"{row.others:,.0f} of {row.other_patients:,.0f} others."
        for row in results.drop_duplicates(SIZES).itertuples()
    ]
    if (results["resampled"] == "patient").any():
        notes.append("95 % intervals over patients.")
    if (results["resampled"] == "patch").any():
        few = f"fewer than {LEAST_PATIENTS} patients on a side"
        notes.append(f"95 % intervals over patches, with {few}: too narrow, since patches of one are alike.")
    return notes


def _format_area(area: pd.Series) -> str:
    interval = format_interval(area["low"], area["high"])
    return f"AUC {format_score(area['value'])}" + (f" ({interval})" if interval else "")
