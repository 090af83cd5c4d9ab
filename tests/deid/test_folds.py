from collections import Counter

import pytest

from privessel.errors import CohortError
from privessel.study.head_folds import assign_folds

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


def test_one_fold_is_refused_because_its_gan_would_have_seen_everyone():
    with pytest.raises(ValueError, match="seen everyone.*Remedy"):
        assign_folds(PEOPLE, folds=1, seed=1)


def test_fewer_people_than_folds_are_refused():
    with pytest.raises(CohortError, match="2 people cannot be divided into 3 folds"):
        assign_folds(["a", "b", "a", "b"], folds=3, seed=1)
