"""What patients have spent over all their private runs, and whether a planned run fits the budget."""

import hmac
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from privessel.errors import PrivacyError
from privessel.privacy.account import Account, Run
from privessel.privacy.accounting import composed_epsilon
from privessel.privacy.chain import Head
from privessel.privacy.keys import MasterSecret
from privessel.privacy.levels import inside
from privessel.privacy.renyi import adaptive_epsilon

Digests = tuple[str, str]


@dataclass(frozen=True)
class Spent:
    """What one patient's runs cost together.

    `unit` is 'patient' when all of them protect patients, else 'patch': then eps is of one patch, composed as
    if it were the same patch in every run.
    """

    patient: str
    epsilon: float  # if all runs' noise, rates and steps were fixed before the first of them
    adaptive_epsilon: float  # however they were chosen: what a budget must allow
    unit: str | None
    runs: tuple[str, ...]

    @property
    def protected(self) -> str:
        """Whom eps protects, for messages: 'the whole patient' or 'a single patch'."""
        return "a single patch" if self.unit == "patch" else "the whole patient"


def digest_patients(master: MasterSecret, voxels: Mapping[str, str]) -> dict[str, Digests]:
    """Return, for each patient id, the keyed digests of the id and of the voxel content's digest in `voxels`.

    The digests tell nothing to whoever lacks the master secret. With it, a patient is recognised under
    another id (by the same voxels) and with another scan (by the same id).
    """
    key = master.derive("patients")

    def keyed(kind: str, value: str) -> str:
        return hmac.digest(key, f"{kind} {value}".encode(), "sha256").hex()

    return {patient: (keyed("id", patient), keyed("voxels", content)) for patient, content in voxels.items()}


def spent_by_patient(
    accounts: Sequence[Account], *, patients: Mapping[str, Digests], delta: float
) -> list[Spent]:
    """Return what each of `patients` has spent over all charged runs that it took part in, most first."""
    found = []
    for patient, own in runs_by_patient(accounts, patients=patients).items():
        units = {account.run.unit for account in own}
        unit = ("patch" if "patch" in units else "patient") if units else None
        charges = [account.charge if account.run.unit == unit else inside(account.charge) for account in own]
        found.append(
            Spent(
                patient=patient,
                epsilon=composed_epsilon(charges, delta=delta),
                adaptive_epsilon=adaptive_epsilon(charges, delta=delta),
                unit=unit,
                runs=tuple(account.run.name for account in own),
            )
        )
    return sorted(found, key=lambda one: (-one.epsilon, one.patient))


def runs_by_patient(
    accounts: Sequence[Account], *, patients: Mapping[str, Digests]
) -> dict[str, list[Account]]:
    """Return for each of `patients` the accounts of all charged runs that it took part in, in their order.

    Two records are of the same patient where their ids or their voxels are equal, or where both are of the
    same patient as a third record.
    """
    paid = [account for account in accounts if account.steps]
    people = join_people([*patients.values(), *(one for account in paid for one in account.run.patients)])
    present = [{people[digest] for pair in account.run.patients for digest in pair} for account in paid]
    return {
        patient: [account for account, there in zip(paid, present, strict=True) if people[pair[0]] in there]
        for patient, pair in patients.items()
    }


def join_people(pairs: Sequence[Digests]) -> dict[str, str]:
    """Map each digest to one digest of its patient: pairs that share a digest belong to one patient."""
    stands: dict[str, str] = {}

    def root(digest: str) -> str:
        stands.setdefault(digest, digest)
        while stands[digest] != digest:
            stands[digest] = digest = stands[stands[digest]]
        return digest

    for one, other in pairs:
        stands[root(one)] = root(other)
    return {digest: root(digest) for digest in list(stands)}


def check_budget(
    accounts: Sequence[Account],
    *,
    run: Run,
    start: int,
    replays: bool,
    running: Collection[str],
    patients: Mapping[str, Digests],
    epsilon: float,
    delta: float,
) -> Spent:
    """Return what the worst-off patient will have spent at the end of `run`; refuse more than `epsilon`.

    The budget is compared with `adaptive_epsilon`, because nobody can say that a run's noise and steps were
    not chosen after a look at earlier runs. To be called before the first step, when the run's own ledger is
    open: runs that are `running` count with all their steps, so that two that start together cannot both take
    what is left. `patients` are those of `run`, `start` is the step that it goes on from (0, or its
    checkpoint's), `replays` as in `Ledger.replays`. What any run was charged counts. Raises PrivacyError with
    the remedy, but not for a run that will be charged nothing more.
    """
    planned = []
    for account in accounts:
        if account.run.identity == run.identity:
            continue
        total = account.steps
        if account.run.identity in running:
            total = account.total(start=0, replays=True)
        planned.append(_settled(account.run, total))
    own = next(
        (account for account in accounts if account.run.identity == run.identity),
        Account(run, (), (), Head(0, "")),
    )
    total = own.total(start=start, replays=replays)
    spent = spent_by_patient([*planned, _settled(run, total)], patients=patients, delta=delta)
    worst = max(spent, key=lambda one: one.adaptive_epsilon)
    if worst.adaptive_epsilon > epsilon and total > own.steps:
        charge = run.charge(total)
        alone = adaptive_epsilon([charge if run.unit == worst.unit else inside(charge)], delta=delta)
        raise PrivacyError(
            f"{run.name}: patient {worst.patient} would have spent eps {worst.adaptive_epsilon:.4g} (which "
            f"protects {worst.protected}) of {epsilon:.4g} at delta {delta:.3g}: this run alone {alone:.4g}, "
            f"{len(worst.runs)} with it ({', '.join(worst.runs)}). A budget counts as if each run had been "
            f"chosen after a look at the ones before; fixed beforehand, the same runs would have cost "
            f"{worst.epsilon:.4g}. No step was taken. Remedy: train with more noise or fewer steps, or raise "
            "privacy.budget.epsilon if what the patients agreed to covers it"
        )
    return worst


def _settled(run: Run, steps: int) -> Account:
    """Return the account of a run that was charged so many steps, whatever its attempts were."""
    return Account(run, ((0, 0, steps),), (), Head(0, ""))
