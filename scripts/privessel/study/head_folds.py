"""Folds of people: each head is made by a GAN that was trained on the people of the other folds alone.

A GAN may remember the heads it was trained on, and then a head made by it tells more about such a person than
gamma does. So people are divided into folds, and not scans: all visits of a person share one fold. The paper
divides its people once, 80 % for training and 20 % to make heads of; that is one of five folds.

The Snakefile imports this module, so it needs only the standard library.
"""

from collections.abc import Iterable

from privessel.errors import CohortError
from privessel.seeds import derive


def assign_folds(people: Iterable[str], *, folds: int, seed: int) -> dict[str, int]:
    """Return the fold, from 0 on, of every person; sizes differ by one person at most.

    people: one name a scan, in any order; a name that comes again is another visit of the same person, so
    people of different cohorts need different names. The folds depend on the set of names and on the seed
    alone. Raises CohortError where there are fewer people than folds, ValueError for fewer than two folds.
    """
    if folds < 2:
        raise ValueError(
            f"{folds} fold: one GAN would have seen everyone whose head it makes. Remedy: 2 folds or more"
        )
    names = set(people)
    if len(names) < folds:
        raise CohortError(
            f"{len(names)} people cannot be divided into {folds} folds. Remedy: fewer folds or more people"
        )
    ordered = sorted(names, key=lambda name: (derive(seed, "fold", name), name))
    return {name: place % folds for place, name in enumerate(ordered)}
