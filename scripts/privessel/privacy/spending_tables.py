"""What private runs and a cohort's patients have spent, as tables and as text for a terminal."""

import textwrap
from collections.abc import Mapping, Sequence

import pandas as pd

from privessel.privacy.account import Account
from privessel.privacy.accounting import composed_epsilon
from privessel.privacy.spending import Digests, spent_by_patient

RUN_COLUMNS = [
    "cohort", "run", "identity", "unit", "noise_multiplier", "pure_epsilon", "sampling_rate", "steps",
    "planned_steps", "attempts", "epsilon", "delta",
]  # fmt: skip
PATIENT_COLUMNS = ["patient", "epsilon", "adaptive_epsilon", "budget", "delta", "unit", "runs"]


def tabulate_runs(accounts: Sequence[Account], *, delta: float) -> pd.DataFrame:
    """Return one row for each private run of a site: its mechanism, its steps, and its own eps at `delta`.

    `noise_multiplier` is NaN for a vote, which adds no noise; `pure_epsilon` is that of one draw of a vote,
    NaN for other runs. `epsilon` is that of one `unit`.
    """
    rows = [
        (
            account.run.cohort,
            account.run.name,
            account.run.identity[:12],
            account.run.unit,
            account.run.noise_multiplier,
            account.run.pure_epsilon,
            account.run.sampling_rate,
            account.steps,
            account.run.steps,
            len(account.attempts),
            composed_epsilon([account.charge], delta=delta),
            delta,
        )
        for account in accounts
    ]
    table = pd.DataFrame(rows, columns=RUN_COLUMNS).astype({"noise_multiplier": float, "pure_epsilon": float})
    return table.sort_values(["cohort", "run"], ignore_index=True)


def tabulate_patients(
    accounts: Sequence[Account], *, patients: Mapping[str, Digests], epsilon: float, delta: float
) -> pd.DataFrame:
    """Return one row for each patient: the eps of all its runs together, and the budget `epsilon`.

    `epsilon` holds if the runs were fixed before the first of them, `adaptive_epsilon`, which the budget is
    compared with, in any case. Both are of one `unit`: of a patch where any run of the patient hides patches,
    else of the patient, and '' where there was no run. The patient with the largest eps comes first.
    """
    spent = spent_by_patient(accounts, patients=patients, delta=delta)
    rows = [
        (one.patient, one.epsilon, one.adaptive_epsilon, epsilon, delta, one.unit or "", " ".join(one.runs))
        for one in spent
    ]
    return pd.DataFrame(rows, columns=PATIENT_COLUMNS)


def tabulate_people(
    accounts: Sequence[Account],
    *,
    scans: Mapping[tuple[str, str], Digests],
    epsilon: float,
    delta: float,
) -> pd.DataFrame:
    """Return `tabulate_patients` of people with several scans, one row a person.

    scans: the digests of each scan, by person and session. All scans of a person share the digest of the id,
    so whoever is recognised by one of them is recognised by all.
    """
    owners = {" ".join(scan): scan[0] for scan in scans}
    digests = {" ".join(scan): own for scan, own in scans.items()}
    table = tabulate_patients(accounts, patients=digests, epsilon=epsilon, delta=delta)
    table["patient"] = table["patient"].map(owners)
    return table.drop_duplicates("patient", ignore_index=True)


def format_spending(
    runs: pd.DataFrame, patients: pd.DataFrame, *, cohort: str, who: str = "Training patients"
) -> str:
    """Return both tables as text: the site's runs, then a cohort's patients, grouped by what they spent.

    Runs that differ in whom they were on alone, such as the draws of people's hulls, share a line. who: what
    the cohort's patients are called.
    """
    budget, delta = patients["budget"].iloc[0], patients["delta"].iloc[0]
    lines = [f"Private runs of this site, eps at delta {delta:.3g}:"]
    heads = ("cohort", "run", "unit", "noise", "rate", "steps", "of", "attempts", "eps alone")
    lines.append("{:<14}{:<24}{:<9}{:>7}{:>10}{:>10}{:>10}{:>9}{:>11}".format(*heads))
    same = [column for column in runs.columns if column != "identity"]
    for _, group in runs.groupby(same, sort=False, dropna=False):
        row = next(group.itertuples())
        line = (
            f"{row.cohort:<14}{row.run:<24}{row.unit:<9}{_noise(row):>7}{row.sampling_rate:>10.3g}"
            f"{row.steps:>10,}{row.planned_steps:>10,}{row.attempts:>9}{row.epsilon:>11.4g}"
        )
        lines.append(line if len(group) == 1 else f"{line}  ({len(group):,} such runs)")
    lines += ["none"] if runs.empty else []
    lines += ["", f"{who} of {cohort}, all their runs composed, of a budget of eps {budget:g}:"]
    alike = ["adaptive_epsilon", "epsilon", "unit", "runs"]
    for (spent, fixed, unit, names), group in patients.groupby(alike, sort=False):
        line = f"{_counted(len(group), 'patient')}: eps {spent:.4g}"
        if names:
            line += f" of a {unit}"
            line += (
                f" in {_counted(len(names.split()), 'run')} ({names}); {fixed:.4g} if all of them had been "
            )
            line += "fixed before the first"
        lines += textwrap.wrap(line, 110, subsequent_indent="    ")
    if "patch" in set(patients["unit"]):
        lines += [
            "",
            "eps of a patch: runs on different patches compose as if a patient's patch were the same.",
            "For a whole patient it is more: the privacy.json of each run says how much.",
        ]
    return "\n".join(lines)


def _noise(run) -> str:
    """Return what protects patients in a run: its noise multiplier, or that it was a vote's draw."""
    return f"{run.noise_multiplier:.4g}" if pd.isna(run.pure_epsilon) else "vote"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' if number != 1 else ''}"
