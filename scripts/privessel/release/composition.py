"""What all private runs on a patient promise together: for each level the promise to the worst-off patient.

Patients took part in different runs, and the one who is worst off by one patch need not be the one who is
worst off as a whole: so each level has the runs of a patient of its own.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from privessel.privacy.account import Account
from privessel.privacy.accounting import Charge
from privessel.privacy.levels import count_votes, level_epsilon
from privessel.privacy.promises import Sizes
from privessel.privacy.renyi import adaptive_epsilon
from privessel.release.checks.words import LEVELS
from privessel.study.names import HULL_DRAW


@dataclass(frozen=True, order=True)
class Part:
    """What one run has charged a patient, and how many patches of the patient and of a place it used.

    `counted`: the run's ledger says so; in ledgers of older versions it does not (see `parts_of`).
    """

    charge: Charge
    patches_per_patient: int
    region_patches: int
    counted: bool = True

    @property
    def numbers(self) -> dict[str, object]:
        """The part as plain JSON."""
        counts = {"patches_per_patient": self.patches_per_patient, "region_patches": self.region_patches}
        return {**asdict(self.charge), **counts, "counted": self.counted}


def parts_of(of_each: Sequence[Sequence[Account]], *, own: Account, sizes: Sizes) -> list[list[Part]]:
    """Return what each patient's `of_each` runs have charged; `sizes` are those of the run `own`.

    Ledgers of older versions do not say how many patches their runs used; the largest number that is known of
    the others stands in for theirs. Where patients are the unit, these numbers decide nothing.

    A hull's draw is one step on a whole person, and its noise hides one person in the place of another
    (`deid.draws.HullDraw.paid`), so also whatever changes inside of a person. It counts as one patch that is
    all the person gave: once for a patient, a region and a patch alike.
    """
    known = [
        account.run for taken in of_each for account in taken if account.run.patches_per_patient is not None
    ]
    most = (
        max([sizes.patches_per_patient, *(run.patches_per_patient for run in known)]),
        max([sizes.region_patches, *(run.region_patches for run in known)]),
    )

    def part(account: Account) -> Part:
        run = account.run
        if run.architecture == HULL_DRAW:
            return Part(account.charge, 1, 1)
        if account is own or run.unit == "patient":
            return Part(account.charge, sizes.patches_per_patient, sizes.region_patches)
        if run.patches_per_patient is None:
            return Part(account.charge, *most, counted=False)
        return Part(account.charge, run.patches_per_patient, run.region_patches)

    return [[part(account) for account in taken] for taken in of_each]


def compose(
    taken: Iterable[Sequence[Part]], *, unit: str, delta: float, patient_delta: float
) -> dict[str, dict[str, object]]:
    """Return the promises to a patient, a region and a patch, each to the patient whose eps is largest.

    `taken` are the parts of each patient; deltas as in `promises.state_promises`. Each promise has `delta`,
    `epsilon`, `loss_above_epsilon`, `patches` (of the run that used most) and `composed`: the parts that it
    follows from.
    """
    sets, whole = largest_sets(taken), unit == "patient"
    return {
        level: _worst(sets, level, unit=unit, delta=patient_delta if whole or level == "patient" else delta)
        for level in LEVELS
    }


def compose_adaptively(
    taken: Iterable[Sequence[Part]], *, unit: str, delta: float
) -> dict[str, object] | None:
    """Return `epsilon` of one `unit` if later runs were chosen after a look at earlier ones, and `composed`.

    Of the patient for whom it is largest, see `renyi.adaptive_epsilon`; infinite where it cannot be computed.
    None where nobody took part in more than one run, because nothing was chosen after a look then.
    """
    sets = [parts for parts in largest_sets(taken) if len(parts) > 1]
    spent = {
        parts: adaptive_epsilon(count_votes([part.charge for part in parts], level=unit), delta=delta)
        for parts in sets
    }
    if not spent:
        return None
    parts = max(spent, key=spent.get)
    return {"epsilon": spent[parts], "composed": parts}


def largest_sets(taken: Iterable[Sequence[Part]]) -> list[tuple[Part, ...]]:
    """Return each distinct set of parts once, in order; none that another contains, since that costs more.

    >>> one, other = Part(Charge(1.0, 0.1, 5), 4, 1), Part(Charge(2.0, 0.1, 5), 4, 1)
    >>> largest_sets([[one, other], [one], [other, one], [other]]) == [(one, other)]
    True
    """
    distinct = sorted({tuple(sorted(parts)) for parts in taken})
    counted = {parts: Counter(parts) for parts in distinct}
    return [one for one in distinct if not any(counted[one] < counted[other] for other in distinct)]


def _worst(sets: Sequence[tuple[Part, ...]], level: str, *, unit: str, delta: float) -> dict[str, object]:
    """Return the largest eps of all sets at one level, and the set that it follows from."""
    single = unit == "patient" or level == "patch"

    def counts(parts: Sequence[Part]) -> list[int]:
        if single:
            return [1] * len(parts)
        return [part.patches_per_patient if level == "patient" else part.region_patches for part in parts]

    found = {}
    for parts in sets:
        charges = [part.charge for part in parts]
        found[parts] = level_epsilon(charges, unit=unit, level=level, patches=counts(parts), delta=delta)
    parts = max(sets, key=lambda one: found[one][0])
    spent, above = found[parts]
    return {
        "delta": delta,
        "epsilon": spent,
        "loss_above_epsilon": above,
        "patches": max(counts(parts)),
        "composed": parts,
    }
