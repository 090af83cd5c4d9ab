"""The age network: whose ages it learns, that it learns them, and that an interruption changes nothing."""

import dataclasses

import numpy as np
import pytest
import torch

from privessel.deid import age_loop
from privessel.deid.age import AgeTraining, TrainedAge
from privessel.deid.age_loop import AgedHeads, train
from privessel.deid.age_table import choose_aged, read_ages
from privessel.errors import CohortError, DamagedError

TRAINING = AgeTraining(
    width=4, steps=60, batch=8, learning_rate=3e-3, weight_decay=0.01, checkpoint_seconds=1e9, device="cpu",
    threads=1,
)  # fmt: skip
SHORT = dataclasses.replace(TRAINING, steps=6, batch=3, checkpoint_seconds=0)


def heads(count=24, side=16, *, seed=0):
    """Balls whose radius grows with age, in noise."""
    random = np.random.default_rng(seed)
    ages = random.uniform(20, 80, count)
    radius = np.sqrt(((np.mgrid[:side, :side, :side] - (side - 1) / 2) ** 2).sum(0))
    balls = radius < 2 + 4 * ((ages - 20) / 60)[:, None, None, None]
    images = np.clip(0.7 * balls + 0.05 * random.standard_normal(balls.shape), 0, 1)
    return AgedHeads(images.astype(np.float32), ages)


def quiet():
    """No heartbeat."""


def test_it_learns_an_age_that_is_there_to_be_seen(tmp_path):
    trained, history = train(heads(), training=TRAINING, seed=1, resume=tmp_path, beat=quiet)
    others = heads(12, seed=9)
    errors = [trained.predict(image) - age for image, age in zip(others.images, others.ages, strict=True)]
    assert np.abs(errors).mean() < 0.5 * np.abs(others.ages - others.ages.mean()).mean()
    assert [row["step"] for row in history] == [25, 50, 60]
    assert history[-1]["error_years"] < 0.6 * history[0]["error_years"]


def test_killed_and_started_again_it_ends_with_the_same_bits(tmp_path, monkeypatch):
    whole, history = train(heads(), training=SHORT, seed=1, resume=tmp_path / "whole", beat=quiet)
    draw = age_loop._draw

    def fail_late(images, step, **settings):
        if step == 4:
            raise KeyboardInterrupt
        return draw(images, step, **settings)

    monkeypatch.setattr(age_loop, "_draw", fail_late)
    with pytest.raises(KeyboardInterrupt):
        train(heads(), training=SHORT, seed=1, resume=tmp_path / "cut", beat=quiet)
    steps = []
    monkeypatch.setattr(age_loop, "_draw", lambda *a, **k: steps.append(a[1]) or draw(*a, **k))
    resumed, again = train(heads(), training=SHORT, seed=1, resume=tmp_path / "cut", beat=quiet)
    assert steps == [4, 5]
    assert again == history
    assert all(torch.equal(whole.weights[name], resumed.weights[name]) for name in whole.weights)
    # Another person's age is another training: it begins at the beginning.
    steps.clear()
    other = AgedHeads(heads().images, heads().ages[::-1].copy())
    train(other, training=SHORT, seed=1, resume=tmp_path / "cut", beat=quiet)
    assert steps[0] == 0


def test_a_network_read_back_reads_the_same_age(tmp_path):
    trained, _ = train(heads(), training=SHORT, seed=2, resume=tmp_path, beat=quiet)
    trained.save(tmp_path / "network.pt")
    again = TrainedAge.load(tmp_path / "network.pt")
    assert again.predict(heads().images[0]) == trained.predict(heads().images[0])
    (tmp_path / "network.pt").write_bytes(b"no network")
    with pytest.raises(DamagedError, match="network.pt"):
        TrainedAge.load(tmp_path / "network.pt")


def test_a_loss_that_is_no_number_ends_the_training_with_a_remedy(tmp_path):
    wild = dataclasses.replace(SHORT, learning_rate=1e30)
    with pytest.raises(FloatingPointError, match="learning_rate"):
        train(heads(), training=wild, seed=1, resume=tmp_path, beat=quiet)


@pytest.mark.parametrize(
    "change", [{"width": 0}, {"batch": 1}, {"learning_rate": 0.0}, {"weight_decay": -1.0}, {"steps": 0}]
)
def test_unusable_values_are_refused_by_name(change):
    (name,) = change
    with pytest.raises(ValueError, match=name):
        dataclasses.replace(TRAINING, **change)


def test_people_without_an_age_are_left_out_and_named(tmp_path, caplog):
    table = tmp_path / "participants.tsv"
    table.write_text(
        "participant_id\tage\nsub-007\t31.5\nsub-b\tn/a\nc\t64\nd\t\ne\t999\nsub-f\tnan\n", encoding="utf-8"
    )
    assert read_ages(table, cohort="ours") == {"007": 31.5, "c": 64.0}
    assert "4 of 6 people is not known (b, d, e, f)" in caplog.text
    table.write_text("participant_id\tsex\nsub-007\tF\n", encoding="utf-8")
    assert read_ages(table, cohort="ours") == {}
    assert "no column age" in caplog.text


def test_too_few_known_ages_are_refused_with_a_remedy():
    people = ["a", "a", "b", "c", "d", "e", "f"]
    ages = dict.fromkeys("abcde", 50.0)
    assert choose_aged(people, ages, cohort="ours") == [0, 1, 2, 3, 4, 5]
    with pytest.raises(CohortError, match=r"the age of 4 people.*deid\.age\.steps: 0"):
        choose_aged(people, dict.fromkeys("abcd", 50.0), cohort="ours")
