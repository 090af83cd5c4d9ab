"""The plan as a picture and as text: what each level will cost, and what patients could have for it."""

import textwrap

import pandas as pd
from matplotlib.figure import Figure

from privessel.figures.style import PALETTE, SMALL, place_axes, styled
from privessel.scores.formatting import format_eps, format_noise

_EPS = {
    "epsilon": ("valid (PLD)", "o", PALETTE["blue"]),
    "epsilon_as_published": ("as the published code prints it", "^", PALETTE["orange"]),
    "epsilon_of_published": ("what the published mechanism keeps", "s", PALETTE["vermillion"]),
}
_BELOW = {"frameon": False, "fontsize": SMALL, "loc": "upper left", "bbox_to_anchor": (-0.02, -0.22)}
_COLOURS = ("black", "green", "purple")


@styled
def draw_plan(levels: pd.DataFrame, patients: pd.DataFrame) -> Figure:
    """Draw eps per level three ways (A), and the steps patients can afford at patient-level eps (B).

    levels and patients are the tables of `planner.plan_levels` and `planner.plan_patients`.
    """
    figure = Figure(figsize=(6.9, 3.5))
    private = levels.dropna(subset=["epsilon"]).reset_index(drop=True)
    left = place_axes(figure, left=0.6, top=0.35, width=2.6, height=2.0)
    for column, (name, marker, colour) in _EPS.items():
        left.plot(private.index, private[column], marker, color=colour, label=name, ms=4)
    left.set_xticks(private.index, [format_noise(noise) for noise in private["noise_multiplier"]])
    left.set_yscale("log")
    left.set_xlabel("noise multiplier")
    left.set_ylabel(f"ε of one {levels['unit'].iloc[0]}, δ = {levels['delta'].iloc[0]:.2g}")
    left.set_title("A   what each level costs", loc="left")
    left.legend(**_BELOW)
    right = place_axes(figure, left=4.1, top=0.35, width=2.6, height=2.0)
    for (number, rows), colour in zip(patients.groupby("patients"), _COLOURS, strict=False):
        right.plot(
            rows["epsilon"],
            rows["affordable_steps"].clip(lower=0.5),
            "o-",
            color=PALETTE[colour],
            label=f"{number:,} patients, δ = {rows['delta'].iloc[0]:.1g}",
            ms=4,
        )
    right.axhline(levels["steps"].iloc[0], color=PALETTE["grey"], ls="--", label="steps of this study")
    right.set_yscale("log")
    right.set_xlabel("ε of a whole patient")
    right.set_ylabel("critic steps at noise 1/32 on the mean")
    right.set_title("B   what protecting patients would buy", loc="left")
    right.legend(**_BELOW)
    return figure


def format_plan(levels: pd.DataFrame, patients: pd.DataFrame) -> str:
    """Return the plan as text for a terminal.

    A row a level, the patient-level statement of the last private level, and a row a patient-level eps.
    """
    first = levels.iloc[0]
    lines = [
        f"Per {first['unit']}, delta {first['delta']:.3g}, after {first['steps']:,} critic steps "
        f"at sampling rate {first['sampling_rate']:.3g}:",
        f"{'level':<14}{'valid eps':>11}{'(RDP)':>9}{'published':>11}{'of published':>14}{'patient eps':>13}",
    ]
    for row in levels.fillna(float("inf")).itertuples():
        spent = (row.epsilon, row.epsilon_rdp, row.epsilon_as_published, row.epsilon_of_published)
        cells = [_plain(eps) for eps in (*spent, row.patient_epsilon)]
        widths = (11, 9, 11, 14, 13)
        lines.append(f"{row.level:<14}" + "".join(f"{c:>{w}}" for c, w in zip(cells, widths, strict=True)))
    private = levels.dropna(subset=["epsilon"])
    if len(private):
        lines += [
            "",
            *textwrap.wrap(f"{private['level'].iloc[-1]}: {private['patient_statement'].iloc[-1]}", 110),
        ]
    lines += ["", "With the patient as the unit, all of them in every step:"]
    heads = ("patients", "delta", "eps", "noise for all steps", "steps at noise 1/32 on the mean")
    lines.append("{:>8}{:>9}{:>6}{:>21}{:>33}".format(*heads))
    for row in patients.itertuples():
        lines.append(
            f"{row.patients:>8,}{row.delta:>9.1g}{row.epsilon:>6g}{row.noise_multiplier:>21.1f}"
            f"{row.affordable_steps:>33,}"
        )
    return "\n".join(lines)


def _plain(eps: float) -> str:
    return f"{eps:,.0f}" if 1000 <= eps < float("inf") else format_eps(eps, infinity="inf")
