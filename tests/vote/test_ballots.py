"""A ballot: what one patient's patches say of every candidate, and of nobody else."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from vote.elections import net

from privessel.cohort.scan import Scan
from privessel.errors import DamagedError
from privessel.unet.prediction import THRESHOLD, predict_probability
from privessel.vote.ballots import Ballot, count, fill_in
from privessel.vote.ranks import rank

PREDICTION = {"batch": 7, "device": "cpu"}


def scan(seed=0):
    rng = np.random.default_rng(seed)
    shape = (20, 22, 6)
    brain = np.zeros(shape, bool)
    brain[3:17, 3:19, 1:5] = True
    vessels = rng.random(shape) < 0.1
    image = (rng.random(shape) + 2 * vessels).astype(np.float32) * brain
    return Scan(image, vessels, brain, (1.0, 1.0, 1.0), [])


def fill(patient="p1", own=None, nets=(1, 2, 3), **changes):
    given = {"n": 30, "seed": 5, "stride": 3, "prediction": PREDICTION} | changes
    return fill_in(patient, own or scan(), [net(seed) for seed in nets], **given)


def test_counts_are_those_of_all_brain_pixels_of_all_patches():
    one = fill()
    for each in one.counts:
        assert each.right + each.missed == one.counts[0].right + one.counts[0].missed
        assert 0 <= each.wrong <= 30 * 64
    assert len({each.dsc for each in one.counts}) > 1


def test_a_ballot_is_the_same_whatever_the_batch_and_whoever_else_votes():
    assert fill() == fill(prediction={"batch": 30, "device": "cpu"})
    assert fill().counts[0] == fill(nets=(1, 9)).counts[0]
    assert fill().counts != fill(own=scan(1)).counts
    assert fill().patches != fill(seed=6).patches


def test_pixels_outside_of_the_brain_count_for_nothing():
    own = scan()
    outside = own.vessels | ~own.brain
    assert fill(own=replace(own, vessels=outside)).counts == fill(own=own).counts


def test_a_net_whose_output_is_no_number_marks_nothing_and_is_last():
    broken = net(1)
    broken.weights["last.bias"] = torch.full((1,), float("nan"))
    image = np.random.default_rng(0).random((4, 8, 8)).astype(np.float32)
    label, brain = image > 0.5, np.ones((4, 8, 8), bool)
    dead = count(broken, image, label, brain, **PREDICTION)
    assert (dead.right, dead.wrong) == (0, 0)
    bright = net(1)
    bright.weights["last.bias"] = torch.full((1,), 9.0)
    assert rank([dead, count(bright, image, label, brain, **PREDICTION)]) == [0, 1]


def test_a_ballot_is_read_as_it_was_written_and_a_damaged_one_is_named(tmp_path):
    written = fill()
    written.save(tmp_path / "p1.json")
    assert Ballot.load(tmp_path / "p1.json") == written
    (tmp_path / "p1.json").write_text('{"patient": "p1", "patches": "", "candidates": ["a"], "counts": []}')
    with pytest.raises(DamagedError, match=r"p1\.json"):
        Ballot.load(tmp_path / "p1.json")


def test_all_patches_side_by_side_count_what_a_segmentation_of_the_whole_scan_marks():
    own, candidate = scan(), net(1)
    brain = np.zeros_like(own.brain)
    brain[2:18, 3:19, 1:5] = True
    brain[2:6, 3:7] = False  # a corner patch lies across the edge
    own = replace(own, brain=brain, image=own.image * brain)
    marked = predict_probability(candidate, own.image, brain, stride=8, **PREDICTION) > THRESHOLD
    (found,) = fill(own=own, nets=(1,), n=5000, stride=8).counts
    assert found.right == (marked & own.vessels).sum() > 0
    assert found.wrong == (marked & ~own.vessels).sum() > 0
    assert found.missed == (~marked & own.vessels & brain).sum()


def test_as_many_patches_are_drawn_as_are_asked_for_or_all_of_them():
    everything = fill(n=5000)
    assert fill(n=4999) == everything
    few = fill(n=2).counts[0]
    assert few.right + few.wrong <= 2 * 64
    assert few.right + few.missed < everything.counts[0].right + everything.counts[0].missed
