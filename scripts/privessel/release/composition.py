"""What all private runs on a patient promise together: for each level the promise to the worst-off patient.

Patients took part in different runs, and the one who is worst off by one patch need not be the one who is
worst off as a whole: so each level has the runs of a patient of its own.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from privessel.privacy.accounting import Charge
from privessel.privacy.promises import state_promises
from privessel.release.checks.words import LEVELS


def compose(taken: Iterable[Sequence[Charge]], **stated: object) -> dict[str, dict[str, object]]:
    """Return the promises to a patient, a region and a patch, each to the patient whose eps is largest.

    `taken` are the charges of each patient, `stated` the other arguments of `state_promises`. Each promise
    also has `composed`: the charges that it follows from.
    """
    promises = [
        {
            level: promise | {"composed": charges}
            for level, promise in state_promises(charges, **stated).items()
        }
        for charges in largest_sets(taken)
    ]
    return {level: max((one[level] for one in promises), key=lambda one: one["epsilon"]) for level in LEVELS}


def largest_sets(taken: Iterable[Sequence[Charge]]) -> list[tuple[Charge, ...]]:
    """Return each distinct set of charges once, in order; none that another contains, since that costs more.

    >>> one, other = Charge(1.0, 0.1, 5), Charge(2.0, 0.1, 5)
    >>> largest_sets([[one, other], [one], [other, one], [other]]) == [(one, other)]
    True
    """
    distinct = sorted({tuple(sorted(charges)) for charges in taken})
    counted = {charges: Counter(charges) for charges in distinct}
    return [one for one in distinct if not any(counted[one] < counted[other] for other in distinct)]
