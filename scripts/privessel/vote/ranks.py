"""How one patient orders the candidates, and how well each candidate does over all patients: whole numbers.

A patient's ranks are all that a vote takes from the patient. They lie in [0, 1] whatever the patient's scans
are, and depend on no other patient.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Count:
    """How one candidate did on one patient's patches: pixels marked rightly, marked wrongly, and missed."""

    right: int
    wrong: int
    missed: int

    @property
    def marks(self) -> bool:
        """Whether the candidate marks any pixel; one that marks none is dead."""
        return self.right + self.wrong > 0

    @property
    def dsc(self) -> Fraction:
        """The Dice coefficient of all pixels together, exactly; 0 where there is nothing to find or mark."""
        return Fraction(2 * self.right, max(1, 2 * self.right + self.wrong + self.missed))


def rank(counts: Sequence[Count]) -> list[Fraction]:
    """Return the rank of each candidate on one patient: 0 for the worst, 1 for the best, the rest between.

    The order is that of DSC. Candidates that mark nothing come last, whatever others have. Equal ones share
    the mean of their places.

    >>> [str(one) for one in rank([Count(0, 0, 9), Count(5, 1, 4), Count(5, 1, 4), Count(9, 0, 0)])]
    ['0', '1/2', '1/2', '1']

    Raises ValueError for fewer than two candidates.
    """
    if len(counts) < 2:
        raise ValueError(f"a vote has two candidates or more, not {len(counts)}")
    scores = [(one.marks, one.dsc if one.marks else Fraction(0)) for one in counts]
    below = [sum(other < one for other in scores) for one in scores]
    equal = [sum(other == one for other in scores) - 1 for one in scores]
    return [
        Fraction(2 * lower + same, 2 * (len(counts) - 1)) for lower, same in zip(below, equal, strict=True)
    ]


def add_ranks(ranks: Sequence[Sequence[Fraction]]) -> list[Fraction]:
    """Return the utility of each candidate: the sum of its ranks over the patients, `ranks` (patients, K)."""
    return [sum(column, Fraction(0)) for column in zip(*ranks, strict=True)]
