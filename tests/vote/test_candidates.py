"""Candidates: public sets that follow from the seed, their number and the design alone."""

import numpy as np

from privessel.vote.candidates import Design

DESIGN = Design(
    families=("random",), phantoms=2, shape=(48, 56, 16), spacing=(1.5, 1.5, 2.0), pairs=60, size=16
)


def test_a_candidate_is_the_same_again_and_another_one_is_another():
    one, again, other = DESIGN.make(1, seed=3), DESIGN.make(1, seed=3), DESIGN.make(2, seed=3)
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    assert not np.array_equal(one[0], other[0])
    images, labels = one
    assert (images.shape, images.dtype, labels.dtype) == ((60, 16, 16), np.uint8, bool)
    assert labels.any(axis=(1, 2)).mean() > 0.4  # half of them lie on vessels
    assert (images.max(axis=(1, 2)) == 255).mean() > 0.9


def test_families_take_turns_and_a_setting_is_told_with_every_number_of_it():
    design = Design(**vars(DESIGN) | {"families": ("random", "wide")})
    assert [design.family(number) for number in (1, 2, 3, 4)] == ["random", "wide", "random", "wide"]
    told = design.describe(2, seed=3)
    assert told["setting"]["acquisition"]["blood"] == design.setting(2, seed=3).acquisition.blood
    assert design.setting(2, seed=3) != design.setting(4, seed=3)


def test_phantoms_of_a_candidate_share_the_setting_and_differ_in_anatomy():
    images, labels = DESIGN.make(4, seed=3)
    assert not np.array_equal(labels[:30], labels[30:])
