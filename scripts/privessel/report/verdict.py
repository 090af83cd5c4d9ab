"""What the summary says of private models: whom they protect, what they are worth, and what they beat."""

from dataclasses import replace

import numpy as np
import pandas as pd

from privessel.limits import VACUOUS
from privessel.scores.formatting import format_eps, format_score
from privessel.scores.references import list_free, list_missing
from privessel.scores.tally import choose_private, order_levels
from privessel.study.names import FREE_KINDS, PRIVATE_UNET, REAL, VOTE, GanName

PUBLISHED_SEED = "in name only: published seed"


def tell_protection(
    rows: pd.DataFrame, cohorts: list[str], expectations: pd.DataFrame | None, *, public: bool
) -> list[str]:
    """Say of votes, private U-Nets and the chosen private GAN whom they protect, and what they are worth."""
    lines = []
    for source in list_promising(rows):
        lines += _worth(rows, source, cohorts, public=public)
        expected = expectations[expectations["source"] == source] if expectations is not None else ()
        lines += [_expected(row) for row in (expected.itertuples() if len(expected) else ())]
    return lines or ["  Nothing here was made from patients with any protection."]


def list_promising(rows: pd.DataFrame) -> list[str]:
    """Return every vote, the best private U-Net of each level, and the chosen private GAN, in this order."""
    unets = order_levels(rows)
    unets = unets[(unets["kind"] == PRIVATE_UNET) & unets["best"]]
    found = [*rows["source"][rows["kind"] == VOTE], *unets["source"], choose_private(rows)]
    return [source for source in dict.fromkeys(found) if source]


def _worth(rows: pd.DataFrame, source: str, cohorts: list[str], *, public: bool) -> list[str]:
    of_source = rows[rows["source"] == source].set_index("cohort")
    spent = of_source["eps_patient"].iloc[0]
    if spent > VACUOUS:
        protects, only = " protects no whole patient", ""
    elif public:
        protects, only = "", f", {PUBLISHED_SEED}"
    else:
        protects, only = " protects every training patient", ""
    lines = [f"  {source}{protects}: eps {format_plain_eps(spent)} of a whole patient{only}."]
    real = rows[rows["kind"] == REAL].set_index("cohort")["dsc_mean"]
    for cohort in cohorts:
        dsc, best = of_source.loc[cohort, "dsc_mean"], real.get(cohort, np.nan)
        share = f", {dsc / best:.0%} of real patches ({best:.2f})" if best > 0 and np.isfinite(dsc) else ""
        lines.append(f"    {cohort}: DSC {format_score(dsc)}{share}.")
    return lines


def _expected(row) -> str:
    return (
        f"    Inside only, as no eps covers it: one draw is luck. Over all draws from its {row.candidates} "
        f"candidates,\n    each with its own small U-Net: DSC {row.expected_dsc:.3f} on average, and "
        f"{row.low_dsc:.3f} or less in 5 % of the draws\n    (worst candidate {row.least_dsc:.3f}, best "
        f"{row.best_dsc:.3f})."
    )


def tell_verdict(rows: pd.DataFrame, cohorts: list[str]) -> list[str]:
    """Compare the mean DSC of votes and chosen private runs with every eps = 0 row, a GAN's with its control.

    The answer is an unqualified yes only where the table has public cohorts and baselines, and all of them
    have a result that is lower.
    """
    votes = list(dict.fromkeys(rows["source"][rows["kind"] == VOTE]))
    private, unet = choose_private(rows), choose_private(rows, kind=PRIVATE_UNET)
    if private is None and unet is None and not votes:
        return ["  It cannot be said: there is no private model in this table."]
    lines = []
    for vote in votes:
        lines += [f"  By mean DSC, for {vote}:", *_compare(rows, cohorts, vote)]
    if private is not None:
        lines.append(f"  By mean DSC, for {private}, the private run with the best validation DSC:")
        lines += _compare(rows, cohorts, private)
    if unet is not None:
        lines.append(f"  The same for {unet}, the private U-Net with the best validation DSC:")
        lines += _compare(rows, cohorts, unet)
    return lines


def _compare(rows: pd.DataFrame, cohorts: list[str], private: str) -> list[str]:
    free_names, missing = list_free(rows), list_missing(rows, kinds=FREE_KINDS)
    lines = []
    for cohort in cohorts:
        dsc = rows[rows["cohort"] == cohort].set_index("source")["dsc_mean"]
        private_dsc, free = dsc[private], dsc.reindex(free_names)
        if np.isnan(private_dsc):
            lines.append(f"  {cohort}: it cannot be said, the private model has no result.")
            continue
        beaten, ahead = free[free < private_dsc], free[free >= private_dsc]
        not_computed = [*free.index[free.isna()], *missing]
        if len(ahead):
            answer = "no"
        elif not_computed:
            answer = "yes, as far as computed" if len(beaten) else "it cannot be said"
        else:
            answer = "yes"
        parts = [f"does not beat {_list_scores(ahead)}"] if len(ahead) else []
        parts += [f"beats {_list_scores(beaten)}"] if len(beaten) else []
        parts += [f"not computed: {', '.join(not_computed)}"] if not_computed else []
        lines.append(f"  {cohort}: {answer}; {private_dsc:.2f} {'; '.join(parts)}.")
        is_gan = GanName.is_one(private)
        control = dsc.get(str(replace(GanName.parse(private), shuffled=True)), np.nan) if is_gan else np.nan
        if np.isfinite(control):
            relation = "above" if private_dsc > control else "not above"
            lines.append(f"  {cohort}: it is {relation} its control with shuffled labels ({control:.2f}).")
    return lines


def _list_scores(dsc: pd.Series) -> str:
    return ", ".join(f"{source} ({value:.2f})" for source, value in dsc.items())


def format_plain_eps(eps: float) -> str:
    """Return an eps in plain ASCII; "-" where there is none."""
    return format_eps(eps, infinity="inf", none="-")
