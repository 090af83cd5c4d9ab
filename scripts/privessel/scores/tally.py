"""The scores table, one row per source, cohort and patient, boiled down to one row per source and cohort."""

import re

import numpy as np
import pandas as pd

from privessel.files.tables import TEXT_COLUMNS, as_text

# Rows every study should have beside the GANs: the upper bound, and rivals that cost no privacy (eps = 0).
FREE = ("phantom-random", "phantom-one", "threshold", "frangi")
REFERENCES = ("real", *FREE)
LEVEL_KINDS = ("inf", "private")
METRICS = ("dsc", "bahd_voxel")

# What a source is, the eps of its generator and whom it protects, and what the choice among runs looks at.
IDENTITY = ["source", "kind", "level", "noise_multiplier", "run", "epoch", "eps", "eps_published"]
IDENTITY += ["unit", "validation_dsc"]


def tally(scores: pd.DataFrame) -> pd.DataFrame:
    """Return one row per source and cohort: the source's identity, how many patients, mean and SD over them.

    scores: the long table (columns of `IDENTITY`, and cohort, patient, dsc, bahd_voxel, empty).
    Added columns: `model` (the source without its run), `best` (the run of its model with the highest
    validation DSC, the lowest run where equal; true for all other kinds), `patients` (of the cohort),
    `scored` (of those with a DSC), `empty` (predictions without a voxel), `{metric}_mean` and `{metric}_sd`
    (sample SD; NaN for one patient). A source that was not evaluated on a cohort has a row there with
    `scored` 0. Sources and cohorts keep the table's order.
    """
    frame = scores.copy()
    for column in TEXT_COLUMNS:
        if column in frame:
            frame[column] = as_text(frame[column])
    sources = frame.drop_duplicates("source")[IDENTITY].reset_index(drop=True)
    sources["model"] = [re.sub(r"/run-\d+", "", source) for source in sources["source"]]
    sources["best"] = _is_best(sources)
    cohorts = frame.groupby("cohort", sort=False)["patient"].nunique().rename("patients").reset_index()
    groups = frame.groupby(["source", "cohort"], sort=False)
    measured = groups.agg(scored=("dsc", "count"), empty=("empty", "sum"))
    for metric in METRICS:
        measured[f"{metric}_mean"] = groups[metric].mean()
        measured[f"{metric}_sd"] = groups[metric].std(ddof=1)
    rows = sources.merge(cohorts, how="cross").merge(
        measured.reset_index(), how="left", on=["source", "cohort"]
    )
    rows[["scored", "empty"]] = rows[["scored", "empty"]].fillna(0).astype(int)
    return rows


def name_unit(rows: pd.DataFrame) -> str:
    """Return whom the study's eps protects: one training `patch`, or one training `patient`."""
    return next((unit for unit in as_text(rows["unit"]) if unit), "patch")


def name_cohorts(rows: pd.DataFrame) -> list[str]:
    """Return the cohorts of a tally in order: first the study's own test patients, then the second cohort."""
    return list(dict.fromkeys(rows["cohort"]))


def order_levels(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the GAN rows of a tally by rising valid eps, without privacy last, then by model and run."""
    levels = rows[rows["kind"].isin(LEVEL_KINDS)]
    keyed = levels.assign(_eps=levels["eps"].fillna(np.inf))
    return keyed.sort_values(["_eps", "model", "run"], kind="stable").drop(columns="_eps")


def choose_private(rows: pd.DataFrame) -> str | None:
    """Return the private source with the highest validation DSC, the first where equal; None without any."""
    private = rows[(rows["kind"] == "private") & rows["best"]].drop_duplicates("source")
    if private.empty:
        return None
    return str(private.loc[private["validation_dsc"].fillna(-np.inf).idxmax(), "source"])


def format_score(mean: float, sd: float, *, sign: str = "±") -> str:
    """Return `mean ± sd`, the mean alone where there is no SD, `missing` without a mean.

    Two decimals, fewer from 10 and from 100 on: `0.70 ± 0.05`, `12.3 ± 4.6`, `135 ± 59`.
    """
    if np.isnan(mean):
        return "missing"
    decimals = 2 if abs(mean) < 9.995 else 1 if abs(mean) < 99.95 else 0
    return f"{mean:.{decimals}f}" if np.isnan(sd) else f"{mean:.{decimals}f} {sign} {sd:.{decimals}f}"


def format_interval(low: float, high: float) -> str:
    """Return `low to high` with the digits of `format_score`; nothing where there is no interval."""
    return "" if np.isnan(low) else f"{format_score(low, np.nan)} to {format_score(high, np.nan)}"


def describe_gaps(rows: pd.DataFrame) -> list[str]:
    """Return sentences on what is missing or odd in a tally, or in figure data made of it."""
    rows = rows.drop_duplicates(["source", "cohort"])
    absent = [source for source in REFERENCES if source not in set(rows["source"])]
    notes = [f"Not in this table: {', '.join(absent)}."] if absent else []
    if not rows["kind"].isin(LEVEL_KINDS).any():
        notes.append("No GAN in this table.")
    for cohort, part in rows.groupby("cohort", sort=False):
        patients = part["patients"].iloc[0]
        if patients == 1:
            notes.append(f"{cohort}: one patient, so there is no SD.")
        for what, found in (
            ("no result for", part["scored"] == 0),
            (f"fewer than its {patients} patients for", part["scored"].between(1, patients - 1)),
            ("no vessel found in any patient by", (part["scored"] > 0) & (part["empty"] == part["scored"])),
            ("no vessel found in some patients by", part["empty"].between(1, part["scored"] - 1)),
        ):
            if found.any():
                notes.append(f"{cohort}: {what} {_name_few(list(part['source'][found]))}.")
    return notes


def _name_few(names: list[str]) -> str:
    shown, more = names[:3], len(names) - 3
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _is_best(sources: pd.DataFrame) -> pd.Series:
    best = ~sources["kind"].isin(LEVEL_KINDS)
    candidates = sources[~best].sort_values("run", kind="stable")
    candidates = candidates.assign(validation_dsc=candidates["validation_dsc"].fillna(-np.inf))
    best.loc[candidates.groupby("model", sort=False)["validation_dsc"].idxmax()] = True
    return best
