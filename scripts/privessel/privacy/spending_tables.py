"""What private runs and a cohort's patients have spent, as tables and as text for a terminal."""

import textwrap
from collections.abc import Mapping, Sequence

import pandas as pd

from privessel.privacy.account import Account
from privessel.privacy.accounting import composed_epsilon
from privessel.privacy.spending import Digests, spent_by_patient

RUN_COLUMNS = [
    "cohort", "run", "identity", "unit", "noise_multiplier", "sampling_rate", "steps", "planned_steps",
    "attempts", "epsilon", "delta",
]  # fmt: skip
PATIENT_COLUMNS = ["patient", "epsilon", "adaptive_epsilon", "budget", "delta", "unit", "runs"]


def tabulate_runs(accounts: Sequence[Account], *, delta: float) -> pd.DataFrame:
    """Return one row for each private run of a site: its mechanism, its steps, and its own eps at `delta`."""
    rows = [
        (
            account.run.cohort,
            account.run.name,
            account.run.identity[:12],
            account.run.unit,
            account.run.noise_multiplier,
            account.run.sampling_rate,
            account.steps,
            account.run.steps,
            len(account.attempts),
            composed_epsilon([account.charge], delta=delta),
            delta,
        )
        for account in accounts
    ]
    return pd.DataFrame(rows, columns=RUN_COLUMNS).sort_values(["cohort", "run"], ignore_index=True)


def tabulate_patients(
    accounts: Sequence[Account], *, patients: Mapping[str, Digests], epsilon: float, delta: float
) -> pd.DataFrame:
    """Return one row for each patient: the eps of all its runs together, and the budget `epsilon`.

    `epsilon` holds if the runs were fixed before the first of them, `adaptive_epsilon`, which the budget is
    compared with, in any case. The patient with the largest eps comes first.
    """
    spent = spent_by_patient(accounts, patients=patients, delta=delta)
    rows = [
        (one.patient, one.epsilon, one.adaptive_epsilon, epsilon, delta, one.unit or "", " ".join(one.runs))
        for one in spent
    ]
    return pd.DataFrame(rows, columns=PATIENT_COLUMNS)


def format_spending(runs: pd.DataFrame, patients: pd.DataFrame, *, cohort: str) -> str:
    """Return both tables as text: the site's runs, then the cohort's patients, grouped by what they spent."""
    budget, delta = patients["budget"].iloc[0], patients["delta"].iloc[0]
    lines = [f"Private runs of this site, eps at delta {delta:.3g}:"]
    heads = ("cohort", "run", "unit", "noise", "rate", "steps", "of", "attempts", "eps alone")
    lines.append("{:<14}{:<24}{:<9}{:>7}{:>10}{:>10}{:>10}{:>9}{:>11}".format(*heads))
    lines += [
        f"{row.cohort:<14}{row.run:<24}{row.unit:<9}{_noise(row.noise_multiplier):>7}{row.sampling_rate:>10.3g}"
        f"{row.steps:>10,}{row.planned_steps:>10,}{row.attempts:>9}{row.epsilon:>11.4g}"
        for row in runs.itertuples()
    ] or ["none"]
    lines += ["", f"Training patients of {cohort}, all their runs composed, of a budget of eps {budget:g}:"]
    for (spent, fixed, names), group in patients.groupby(["adaptive_epsilon", "epsilon", "runs"], sort=False):
        line = f"{_counted(len(group), 'patient')}: eps {spent:.4g}"
        if names:
            line += (
                f" in {_counted(len(names.split()), 'run')} ({names}); {fixed:.4g} if all of them had been "
            )
            line += "fixed before the first"
        lines += textwrap.wrap(line, 110, subsequent_indent="    ")
    if "patch" in set(patients["unit"]):
        lines += [
            "",
            "eps is of one patch; runs on different patches compose as if a patient's patch were the same.",
            "For a whole patient it is more: the privacy.json of each run says how much.",
        ]
    return "\n".join(lines)


def _noise(noise_multiplier: float) -> str:
    return "none" if pd.isna(noise_multiplier) else f"{noise_multiplier:.4g}"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' if number != 1 else ''}"
