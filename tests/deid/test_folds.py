from collections import Counter

import numpy as np
import pytest

from privessel.deid.folds import assign_folds, outside_fold
from privessel.errors import CohortError

PEOPLE = [f"adni/p{k}" for k in range(23)]


@pytest.mark.parametrize("folds", [2, 5, 23])
def test_folds_differ_by_one_person_at_most(folds):
    sizes = Counter(assign_folds(PEOPLE, folds=folds, seed=1).values())
    assert set(sizes) == set(range(folds))
    assert max(sizes.values()) - min(sizes.values()) <= 1


def test_the_order_of_scans_and_the_number_of_visits_change_no_fold():
    assigned = assign_folds(PEOPLE, folds=5, seed=1)
    visits = [*PEOPLE[::-1], *PEOPLE[:7], *PEOPLE[:3]]
    assert assign_folds(visits, folds=5, seed=1) == assigned
    assert assign_folds(PEOPLE, folds=5, seed=2) != assigned


@pytest.mark.parametrize("fold", range(5))
def test_training_arrays_of_a_fold_never_hold_a_person_of_that_fold(fold):
    """Every visit is marked by its person's number, so the arrays themselves say whose they are."""
    rng = np.random.default_rng(0)
    owner = rng.integers(len(PEOPLE), size=80)  # the person of each of 80 scans
    people = [PEOPLE[k] for k in owner]
    assigned = assign_folds(people, folds=5, seed=1)
    images = np.broadcast_to(owner[:, None, None, None], (80, 2, 2, 2))
    kept = images[outside_fold(people, fold=fold, assigned=assigned)]
    seen = {PEOPLE[k] for k in np.unique(kept)}
    held_out = {person for person in set(people) if assigned[person] == fold}
    assert held_out
    assert not seen & held_out
    assert seen | held_out == set(people)


def test_everyone_is_held_out_of_exactly_one_fold():
    assigned = assign_folds(PEOPLE, folds=5, seed=1)
    outside = np.stack([outside_fold(PEOPLE, fold=fold, assigned=assigned) for fold in range(5)])
    assert (outside.sum(0) == 4).all()


def test_one_fold_is_refused_because_its_gan_would_have_seen_everyone():
    with pytest.raises(ValueError, match="seen everyone.*Remedy"):
        assign_folds(PEOPLE, folds=1, seed=1)


def test_fewer_people_than_folds_are_refused():
    with pytest.raises(CohortError, match="2 people cannot be divided into 3 folds"):
        assign_folds(["a", "b", "a", "b"], folds=3, seed=1)


def test_a_person_without_a_fold_is_never_trained_on():
    assigned = assign_folds(PEOPLE, folds=5, seed=1)
    with pytest.raises(CohortError, match="no fold is assigned to stranger"):
        outside_fold([*PEOPLE, "stranger"], fold=0, assigned=assigned)


def test_a_fold_that_nobody_is_in_is_refused():
    with pytest.raises(ValueError, match="nobody is in fold 5 of 5"):
        outside_fold(PEOPLE, fold=5, assigned=assign_folds(PEOPLE, folds=5, seed=1))
