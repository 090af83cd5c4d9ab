"""The scores table, one row per source, cohort and patient, reduced to one row per source and cohort."""

import numpy as np
import pandas as pd

from privessel.files.tables import TEXT_COLUMNS, as_text
from privessel.scores.formatting import eps_columns
from privessel.scores.references import list_missing
from privessel.study.names import GAN_KINDS, LEVEL_KINDS, PRIVATE_GAN, RUN_KINDS, VOTE, model_name

METRICS = ("dsc", "bahd_voxel", "cldice", "component_error")  # of which tables show mean and SD over patients

# What a source is, the eps of its generator and whom it protects, and the score that runs are chosen by.
# `eps` is that of one unit (of a vote, that of a patch: see `column_of_unit`); `eps_patient` and `eps_region`
# are those of a whole patient and of a place on a vessel.
IDENTITY = ["source", "kind", "level", "noise_multiplier", "run", "epoch"]
IDENTITY += [*eps_columns("patch").values(), "unit", "validation_dsc"]


def tally(scores: pd.DataFrame) -> pd.DataFrame:
    """Return one row per source and cohort: the source's identity, how many patients, mean and SD over them.

    scores: the long table (columns of `IDENTITY` and `METRICS`, and cohort, patient, empty).
    Added columns: `model` (the source without its run), `best` (whether this run has the highest validation
    DSC of its model, the lowest run where several have; true for all other kinds), `patients` (of the
    cohort), `scored` (of those with a DSC), `empty` (predictions without a voxel), `{metric}_mean` and
    `{metric}_sd` (over the patients for whom the metric is defined; sample SD, NaN for one patient). A source
    that was not evaluated on a cohort has a row there with `scored` 0. Sources and cohorts keep the table's
    order.
    """
    frame = scores.copy()
    for column in TEXT_COLUMNS:
        if column in frame:
            frame[column] = as_text(frame[column])
    sources = frame.drop_duplicates("source")[IDENTITY].reset_index(drop=True)
    sources["model"] = [model_name(source) for source in sources["source"]]
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
    """Return whom the noise of GANs and private U-Nets protects: one training `patch`, or one `patient`.

    Where votes alone have an eps, that is the patient.
    """
    units = as_text(rows["unit"])
    gans = units[rows["kind"] != VOTE] if "kind" in rows else units
    return next((unit for unit in [*gans, *units] if unit), "patch")


def column_of_unit(rows: pd.DataFrame) -> str:
    """Return the column with the eps of one unit, the one of `name_unit`.

    `eps` is that of a patch in the rows of a vote, which hides patients, whatever the unit of the GANs is.
    """
    return "eps_patient" if name_unit(rows) == "patient" else "eps"


def name_cohorts(rows: pd.DataFrame) -> list[str]:
    """Return the cohorts of a tally in order: first the study's own test patients, then the second cohort."""
    return list(dict.fromkeys(rows["cohort"]))


def order_levels(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of what has an eps by rising eps of a unit, inf last, then model and run."""
    levels = rows[rows["kind"].isin(LEVEL_KINDS)]
    keyed = levels.assign(_eps=levels[column_of_unit(rows)].fillna(np.inf))
    return keyed.sort_values(["_eps", "model", "run"], kind="stable").drop(columns="_eps")


def choose_private(rows: pd.DataFrame, *, kind: str = PRIVATE_GAN) -> str | None:
    """Return the source of a kind with the highest validation DSC, the first of equal ones; None without."""
    private = rows[(rows["kind"] == kind) & rows["best"]].drop_duplicates("source")
    if private.empty:
        return None
    return str(private.loc[private["validation_dsc"].fillna(-np.inf).idxmax(), "source"])


def describe_gaps(rows: pd.DataFrame) -> list[str]:
    """Return sentences on what is missing or odd in a tally, or in figure data made of it."""
    rows = rows.drop_duplicates(["source", "cohort"])
    missing = list_missing(rows)
    notes = [f"Not in this table: {', '.join(missing)}."] if missing else []
    if not rows["kind"].isin(GAN_KINDS).any():
        notes.append("No GAN in this table.")
    for cohort, part in rows.groupby("cohort", sort=False):
        patients = part["patients"].iloc[0]
        if patients == 1:
            notes.append(f"{cohort}: one patient, so there is no SD.")
        for what, concerned in (
            ("no result for", part["scored"] == 0),
            (f"fewer than its {patients} patients for", part["scored"].between(1, patients - 1)),
            ("no vessel found in any patient by", (part["scored"] > 0) & (part["empty"] == part["scored"])),
            ("no vessel found in some patients by", part["empty"].between(1, part["scored"] - 1)),
        ):
            if concerned.any():
                notes.append(f"{cohort}: {what} {_name_few(list(part['source'][concerned]))}.")
    return notes


def _name_few(names: list[str]) -> str:
    shown, more = names[:3], len(names) - 3
    return ", ".join(shown) + (f" and {more} more" if more > 0 else "")


def _is_best(sources: pd.DataFrame) -> pd.Series:
    best = ~sources["kind"].isin(RUN_KINDS)
    candidates = sources[~best].sort_values("run", kind="stable")
    candidates = candidates.assign(validation_dsc=candidates["validation_dsc"].fillna(-np.inf))
    best.loc[candidates.groupby("model", sort=False)["validation_dsc"].idxmax()] = True
    return best
