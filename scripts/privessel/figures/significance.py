"""How certain the scores are: intervals of means over patients, and paired tests between levels."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from privessel.figures.style import PALETTE, SMALL, draw_rule, open_page, styled, wrap_notes, write_notes
from privessel.files.tables import as_text
from privessel.limits import LEAST_PATIENTS
from privessel.scores.formatting import format_eps, format_p, format_score
from privessel.scores.references import select_references
from privessel.scores.significance import adjust_holm, bootstrap_mean, signed_rank_p, smallest_p
from privessel.scores.tally import column_of_unit, name_cohorts, name_unit, order_levels, tally
from privessel.study.names import GAN_KINDS, PRIVATE_UNET, REAL, VOTE, GanName

_COLUMNS = ["shows", "cohort", "metric", "model", "one", "other", "against", "unit", "eps_one"]
_COLUMNS += ["eps_published_one", "eps_other", "patients", "runs", "mean", "sd"]
_COLUMNS += ["mean_difference", "difference_low", "difference_high", "p", "p_holm", "p_smallest"]
_LEVEL = 0.05  # familywise
_NEXT = "next"  # the level with the next weaker noise
_NAMES = {REAL: "real patches", "frangi": "Frangi filter", _NEXT: "next level"}
# Inches: columns from the left, the width of a comparison, the heights of a block's head and of a row.
_EPS, _PUBLISHED, _RUNS, _FIRST, _WIDTH = 1.95, 2.65, 3.45, 3.95, 0.95
_HEAD, _ROW, _BETWEEN = 0.66, 0.43, 0.16


def add_intervals(
    rows: pd.DataFrame, scores: pd.DataFrame, *, metrics: Sequence[str], seed: int
) -> pd.DataFrame:
    """Return a tally of `scores` with `{metric}_low` and `{metric}_high`: the 95 % interval of each mean.

    NaN with fewer than three patients, see `significance.bootstrap_mean`.
    """
    frame = scores.assign(source=as_text(scores["source"]), cohort=as_text(scores["cohort"]))
    groups = frame.groupby(["source", "cohort"], sort=False)
    added = {}
    for metric in metrics:
        ends = {key: bootstrap_mean(values, seed=seed) for key, values in groups[metric]}
        keys = zip(rows["source"], rows["cohort"], strict=True)
        intervals = [ends.get(key, (np.nan, np.nan)) for key in keys]
        added[f"{metric}_low"] = [low for low, _ in intervals]
        added[f"{metric}_high"] = [high for _, high in intervals]
    return rows.assign(**added)


def describe_intervals(rows: pd.DataFrame) -> list[str]:
    """Return a sentence for each cohort of a tally, or of figure data, too small for intervals."""
    patients = rows.drop_duplicates("cohort").set_index("cohort")["patients"]
    return [
        f"{cohort}: too few patients for a 95 % interval, which needs {LEAST_PATIENTS}."
        for cohort in patients.index[patients < LEAST_PATIENTS]
    ]


def statistics_data(scores: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Return two kinds of rows on the mean DSC of every level, per cohort; all but these columns are NaN.

    `shows` runs: `mean` and `sd` (sample, over `runs`) of the mean DSC over patients of a level's runs.
    `shows` pair: the level's best run by validation DSC, `one`, with `other`, which is the real patches or an
    eps = 0 row (`against` names it) or the best run of the level with the next weaker noise (`against` next).
    `mean_difference` is one less other over the `patients` that both have, with its 95 % bootstrap interval;
    `p` the signed-rank test of these differences, `p_holm` the same adjusted for all pairs of the cohort,
    `p_smallest` what p could be at least with so many patients. Every eps but the published one is that of
    one `unit`, whom the noise of the study's GANs protects.
    """
    rows = tally(scores)
    column = column_of_unit(rows)
    levels = order_levels(rows).assign(eps=lambda levels: levels[column])
    table = []
    for cohort in name_cohorts(rows):
        part = rows[rows["cohort"] == cohort]
        of_cohort = levels[levels["cohort"] == cohort]
        dsc = _by_patient(scores, cohort=cohort).reindex(columns=rows["source"].unique())
        about = {"cohort": cohort, "metric": "dsc", "unit": name_unit(rows)}
        references = select_references(part)
        pairs = [
            {"shows": "pair", "model": one.model, "one": one.source, "other": other, "against": against}
            | {"eps_one": one.eps, "eps_published_one": one.eps_published, "eps_other": eps}
            | _compare(dsc[one.source], dsc[other], seed=seed)
            for one in of_cohort[of_cohort["best"]].itertuples()
            for other, against, eps in _list_comparisons(one, of_cohort, references=references)
        ]
        adjusted = adjust_holm([pair["p"] for pair in pairs])
        table += [about | run for run in _over_runs(of_cohort)]
        table += [about | pair | {"p_holm": p} for pair, p in zip(pairs, adjusted, strict=True)]
    return pd.DataFrame(table, columns=_COLUMNS)


@styled
def statistics(data: pd.DataFrame) -> Figure:
    """Draw `statistics_data`: a block a cohort, a row a level, a column for whatever it is compared with."""
    pairs = data[data["shows"] == "pair"]
    columns = sorted(dict.fromkeys(pairs["against"]), key=_NEXT.__eq__)  # the next level stands last
    cohorts = name_cohorts(data)
    blocks = {cohort: data[data["cohort"] == cohort] for cohort in cohorts}
    width = max(_FIRST + len(columns) * _WIDTH + 0.05, 5.2)
    notes = wrap_notes(_notes(data), width=width - 0.2)
    depths = [_HEAD + _ROW * part["model"].nunique() + _BETWEEN for part in blocks.values()]
    height = 0.05 + sum(depths) + 0.1 + 0.13 * len(notes)
    figure = Figure(figsize=(width, height))
    page = open_page(figure)
    top = 0.05
    for (cohort, part), depth in zip(blocks.items(), depths, strict=True):
        _draw_block(page, part, cohort=cohort, columns=columns, top=top)
        top += depth
    write_notes(figure, notes, left=0.1, bottom=0.06)
    return figure


def _over_runs(levels: pd.DataFrame) -> list[dict]:
    return [
        {"shows": "runs", "model": model, "one": model, "patients": runs["patients"].iloc[0]}
        | {"eps_one": runs["eps"].iloc[0], "eps_published_one": runs["eps_published"].iloc[0]}
        | {"runs": runs["dsc_mean"].count(), "mean": runs["dsc_mean"].mean(), "sd": runs["dsc_mean"].std()}
        for model, runs in levels.groupby("model", sort=False)
    ]


def _by_patient(scores: pd.DataFrame, *, cohort: str) -> pd.DataFrame:
    """Return DSC with a row a patient and a column a source; NaN where there is none."""
    rows = scores[as_text(scores["cohort"]) == cohort]
    return rows.set_index(["patient", "source"])["dsc"].unstack()


def _list_comparisons(one, levels: pd.DataFrame, *, references: pd.DataFrame) -> list[tuple[str, str, float]]:
    """Return source, name of the comparison and eps of whatever the level's best run is held against."""
    held = [(row.source, row.source, np.nan if row.kind == REAL else 0.0) for row in references.itertuples()]
    # Levels are compared at the same epoch where both were kept there. Otherwise longer training would look
    # like the effect of less noise.
    keyed = levels.assign(
        _noise=levels["noise_multiplier"].fillna(0), _apart=(levels["epoch"] - one.epoch).abs()
    )
    noise = 0 if np.isnan(one.noise_multiplier) else one.noise_multiplier
    alike = keyed["kind"].isin(GAN_KINDS if one.kind in GAN_KINDS else [one.kind])
    weaker = keyed[keyed["best"] & (keyed["_noise"] < noise) & alike]
    weaker = weaker.sort_values(["_noise", "_apart"], ascending=[False, True], kind="stable")
    return held + [(row.source, _NEXT, row.eps) for row in weaker.head(1).itertuples()]


def _compare(one: pd.Series, other: pd.Series, *, seed: int) -> dict[str, float]:
    differences = (one - other).dropna()
    low, high = bootstrap_mean(differences, seed=seed)
    return {
        "patients": len(differences),
        "mean_difference": differences.mean(),
        "difference_low": low,
        "difference_high": high,
        "p": signed_rank_p(differences),
        "p_smallest": smallest_p(len(differences)) if len(differences) else np.nan,
    }


def _draw_block(page: Axes, part: pd.DataFrame, *, cohort: str, columns: list[str], top: float) -> None:
    """Draw one cohort, all positions in inches."""
    page.text(0.1, top + 0.15, f"{cohort}: {_count(part)}", fontweight="bold")
    heads = [(_EPS, f"ε of a {name_unit(part)}"), (_PUBLISHED, "published ε"), (_RUNS, "DSC over runs")]
    heads += [(_middle(k), _NAMES.get(name, name)) for k, name in enumerate(columns)]
    page.text(0.1, top + 0.56, "level, its best run")
    for x, text in heads:
        page.text(x, top + 0.56, text, ha="center")
    if columns:
        page.text(
            _FIRST, top + 0.38, "DSC of the best run less that of …", color=PALETTE["grey"], fontsize=SMALL
        )
    draw_rule(page, top + 0.22, linewidth=1.0)
    draw_rule(page, top + _HEAD - 0.03, linewidth=0.6)
    y = top + _HEAD
    for model, rows in part.groupby("model", sort=False):
        runs, pairs = rows[rows["shows"] == "runs"].iloc[0], rows[rows["shows"] == "pair"]
        best = pairs["one"].iloc[0] if len(pairs) else model
        page.text(0.1, y + 0.13, _name_level(best) if len(pairs) else model)
        page.text(0.1, y + 0.26, best, fontsize=SMALL - 0.5, color=PALETTE["grey"])
        page.text(_EPS, y + 0.13, format_eps(runs["eps_one"]), ha="center")
        page.text(_PUBLISHED, y + 0.13, format_eps(runs["eps_published_one"]), ha="center")
        page.text(_RUNS, y + 0.13, format_score(runs["mean"], runs["sd"]), ha="center")
        number = f"{runs['runs']:g} run{'' if runs['runs'] == 1 else 's'}"
        page.text(_RUNS, y + 0.26, number, ha="center", fontsize=SMALL - 0.5, color=PALETTE["grey"])
        for k, name in enumerate(columns):
            pair = pairs[pairs["against"] == name]
            _draw_cell(page, pair.iloc[0] if len(pair) else None, x=_middle(k), y=y)
        y += _ROW
    draw_rule(page, y, linewidth=1.0)


def _name_level(source: str) -> str:
    name = GanName.parse(source)
    names = {VOTE: "vote, ", PRIVATE_UNET: "private U-Net, "}
    return names.get(name.arch, "") + name.level


def _draw_cell(page: Axes, pair: pd.Series | None, *, x: float, y: float) -> None:
    if pair is None or np.isnan(pair["p"]):
        page.text(x, y + 0.13, "–" if pair is None else "missing", ha="center")
        return
    shown = pair["p_holm"] < _LEVEL
    page.text(
        x, y + 0.13, f"{pair['mean_difference']:+.2f}", ha="center", fontweight="bold" if shown else "normal"
    )
    small = {"ha": "center", "fontsize": SMALL - 0.5, "color": "#444444"}
    if np.isfinite(pair["difference_low"]):
        page.text(x, y + 0.25, f"{pair['difference_low']:+.2f} to {pair['difference_high']:+.2f}", **small)
    page.text(x, y + 0.36, f"p {format_p(pair['p_holm'])}", **small)


def _middle(column: int) -> float:
    return _FIRST + (column + 0.5) * _WIDTH


def _count(part: pd.DataFrame) -> str:
    patients = int(part["patients"].max())
    return f"{patients} patient{'' if patients == 1 else 's'}"


def _notes(data: pd.DataFrame) -> list[str]:
    pairs = data[data["shows"] == "pair"]
    if data.empty:
        return ["No GAN in this table, so there is nothing to compare."]
    notes = [
        "Difference of mean DSC, its 95 % bootstrap interval, and p of the signed-rank test over patients "
        f"after Holm's correction; bold: below {_LEVEL:g}. DSC over runs: mean ± SD of the runs' means."
    ]
    held = {"real patches": pairs["against"] == REAL, "any source at ε = 0": pairs["eps_other"] == 0}
    missing = [what for what, present in held.items() if not present.any()]
    notes += [f"Not in this table: {', '.join(missing)}."] if missing else []
    for cohort, part in pairs[pairs["p"].notna()].groupby("cohort", sort=False):
        patients, tests = int(part["patients"].max()), len(part)
        least = smallest_p(patients)
        notes.append(
            f"{cohort}: smallest possible p with {_count(part)}: {format_p(least)}; after correction for "
            f"{tests} comparison{'' if tests == 1 else 's'}: {format_p(min(least * tests, 1))}."
        )
        if least * tests >= _LEVEL:
            needed = int(np.floor(1 - np.log2(_LEVEL / tests))) + 1
            notes.append(
                f"{cohort}: so few patients can show no difference, however large; {needed} or more could."
            )
    return notes
