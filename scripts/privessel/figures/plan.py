"""The plan as a picture and as text: what each level will cost, and what patients could have for it."""

import textwrap

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from privessel.figures.style import PALETTE, SMALL, place_axes, styled
from privessel.scores.formatting import format_eps, format_noise

_EPS = {
    "patient_epsilon": ("whole patient", "D", PALETTE["black"]),
    "region_epsilon": ("region", "v", PALETTE["purple"]),
    "epsilon": ("one {unit}", "o", PALETTE["blue"]),
    "epsilon_as_published": ("one {unit}, as the published code prints it", "^", PALETTE["orange"]),
    "epsilon_of_published": ("one {unit}, what the published mechanism keeps", "s", PALETTE["vermillion"]),
}
_BELOW = {"frameon": False, "fontsize": SMALL, "loc": "upper left", "bbox_to_anchor": (-0.1, -0.22)}
_COLOURS = ("black", "green", "purple")
_WIDTH = 110  # characters of a line of text


@styled
def draw_plan(levels: pd.DataFrame, regions: pd.DataFrame, patients: pd.DataFrame) -> Figure:
    """Draw the eps of each level (A), what bounding the overlap buys (B) and protecting patients would (C).

    The tables are those of `planner.plan_levels`, `planner.plan_overlaps` and `patient_plan.plan_patients`.
    """
    figure = Figure(figsize=(7.6, 3.7))
    private = levels.dropna(subset=["epsilon"]).reset_index(drop=True)
    unit, delta = levels["unit"].iloc[0], levels["delta"].iloc[0]
    left, middle, right = (
        place_axes(figure, left=edge, top=0.35, width=1.85, height=2.0) for edge in (0.55, 3.05, 5.6)
    )
    for column, (name, marker, colour) in _EPS.items():
        if private[column].notna().any() and (unit, column) != ("patient", "region_epsilon"):
            label = name.format(unit=unit)
            left.plot(private.index, private[column], marker, color=colour, label=label, ms=4)
    left.set_xticks(private.index, [format_noise(noise) for noise in private["noise_multiplier"]])
    left.set_yscale("log")
    left.set_xlabel("noise multiplier")
    left.set_ylabel("ε, each at its own δ")
    left.set_title("A   what each level costs", loc="left")
    left.legend(**_BELOW)
    _draw_regions(middle, regions, delta=delta)
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
    right.set_title("C   what protecting patients buys", loc="left")
    right.legend(**_BELOW)
    return figure


def _draw_regions(axes: Axes, regions: pd.DataFrame, *, delta: float) -> None:
    axes.set_title("B   what less overlap buys", loc="left")
    axes.set_xlabel("patches.max_overlap")
    if regions.empty:
        axes.text(0.5, 0.5, "the patient covers\nevery region", ha="center", transform=axes.transAxes)
        axes.set_xticks([])
        axes.set_yticks([])
        return
    names = list(dict.fromkeys(regions["level"]))
    for k, name in enumerate(names):
        rows = regions[regions["level"] == name]
        shade = f"{0.75 * k / max(1, len(names) - 1):.2f}"
        axes.plot(rows["max_overlap"], rows["region_epsilon"], "v-", color=shade, label=name, ms=3)
    axes.set_xscale("log")
    axes.set_yscale("log")
    ticks = sorted(set(regions["max_overlap"]))
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel(f"ε of a region, δ = {delta:.2g}")
    axes.legend(**_BELOW, ncols=2)


def format_plan(
    levels: pd.DataFrame,
    regions: pd.DataFrame,
    patients: pd.DataFrame,
    *,
    budget: pd.DataFrame,
    unets: pd.DataFrame,
) -> str:
    """Return the plan as text for a terminal: patient, region and unit of every level, and what could be.

    `budget` is the table of `planner.plan_budget`, `unets` that of `plan_private_unets`. The three promises
    of the last private level follow in words. A level such as eps-5 keeps its 5 at the study's delta; beside
    it stands its eps at the delta of a release.
    """
    first = levels.iloc[0]
    unit = first["unit"]
    lines = [
        f"After {first['steps']:,} critic steps at sampling rate {first['sampling_rate']:.3g} of a {unit}. "
        f"Eps of",
        f"- a whole patient, at delta {first['patient_delta']:.3g};",
        f"- a region, the patches of a patient over one place, at delta {first['delta']:.3g};",
        f"- a {unit}, at delta {first['delta']:.3g}, in a release at delta {first['release_delta']:.3g}, by "
        f"Renyi",
        "  divergences, as the paper's accounting prints it, and what the paper's mechanism keeps:",
        "",
        f"{'level':<14}{'patient':>11}{'region':>11}{unit if unit == 'patch' else 'unit':>9}"
        f"{'in release':>12}{'(RDP)':>9}{'published':>11}{'of published':>14}",
    ]
    unknown = first["unit"] == "patch" and pd.isna(first["region_patches"])
    for row in levels.fillna(float("inf")).itertuples():
        private = row.epsilon < float("inf")
        region = "not bounded" if unknown and private else _plain(row.region_epsilon)
        spent = (row.epsilon, row.release_epsilon, row.epsilon_rdp, row.epsilon_as_published)
        cells = [_plain(row.patient_epsilon), region, *map(_plain, (*spent, row.epsilon_of_published))]
        widths = (11, 12, 8, 12, 9, 11, 14)
        lines.append(f"{row.level:<14}" + "".join(f"{c:>{w}}" for c, w in zip(cells, widths, strict=True)))
    private = levels.dropna(subset=["epsilon"])
    if len(private):
        last = private.iloc[-1]
        lines += ["", f"{last['level']}:"]
        for column in ("patient_statement", "region_statement", "patch_statement"):
            lines += textwrap.wrap(last[column], _WIDTH, initial_indent="  ", subsequent_indent="    ")
    lines += _format_unets(unets) + _format_budget(budget) + _format_regions(regions)
    lines += ["", "With the patient as the unit, all of them in every step:"]
    heads = ("patients", "delta", "eps", "noise for all steps", "steps at noise 1/32 on the mean")
    lines.append("{:>8}{:>9}{:>6}{:>21}{:>33}".format(*heads))
    for row in patients.itertuples():
        lines.append(
            f"{row.patients:>8,}{row.delta:>9.1g}{row.epsilon:>6g}{row.noise_multiplier:>21.1f}"
            f"{row.affordable_steps:>33,}"
        )
    return "\n".join(lines)


def _format_unets(unets: pd.DataFrame) -> list[str]:
    """Return what each level of the private U-Nets will cost: its noise, and its promises in words."""
    lines = []
    for row in unets.itertuples():
        noise, rate = format_noise(row.noise_multiplier), f"{row.sampling_rate:.3g} of a {row.unit}"
        lines += ["", f"{row.level}, noise multiplier {noise}, {row.steps:,} steps at sampling rate {rate}:"]
        for told in (row.patient_statement, row.region_statement, row.patch_statement):
            lines += textwrap.wrap(told, _WIDTH, initial_indent="  ", subsequent_indent="    ")
        released = f"eps {_plain(row.release_epsilon)} at delta {row.release_delta:.3g}"
        lines.append(f"  In a release, of a {row.unit}: {released}.")
    return lines


def _format_budget(budget: pd.DataFrame) -> list[str]:
    if budget.empty:
        return []
    *ones, every = budget.itertuples()
    lines = [
        "",
        f"What privacy.budget must allow, as eps of a {every.unit} at delta {every.delta:.3g}. It counts as",
        "if each run were chosen after a look at the ones before, so that is more than the eps above:",
    ]
    lines += [f"{f'a run of {row.level}':<26}{_plain(row.needed_epsilon):>9}" for row in ones]
    enough = every.needed_epsilon <= every.allowed_epsilon
    lines += [
        f"{f'all {every.runs} private runs':<26}{_plain(every.needed_epsilon):>9}",
        f"{'privacy.budget.epsilon':<26}{_plain(every.allowed_epsilon):>9}",
    ]
    return lines if enough else [*lines, "THAT IS TOO LITTLE: what it does not cover will be refused."]


def _format_regions(regions: pd.DataFrame) -> list[str]:
    if regions.empty:
        return []
    table = regions.pivot_table(index="level", columns="max_overlap", values="region_epsilon", sort=False)
    lines = ["", "Eps of a region if patches.max_overlap bounds its patches to"]
    lines.append(f"{'level':<14}" + "".join(f"{overlap:>9g}" for overlap in table.columns))
    return lines + [
        f"{level:<14}" + "".join(f"{_plain(eps):>9}" for eps in row) for level, row in table.iterrows()
    ]


def _plain(eps: float) -> str:
    return format_eps(eps, infinity="inf")
