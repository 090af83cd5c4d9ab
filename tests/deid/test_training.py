from dataclasses import replace

import pytest
from deid.small_heads import SHAPE, TRAINING
from study.studies import values

from privessel.deid.training import read_settings
from privessel.study.config.reading import read_config


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", 0),
        ("batch", 0),
        ("r1_every", 0),
        ("threads", 0),
        ("generator_learning_rate", 0),
        ("discriminator_learning_rate", float("nan")),
        ("warm_up_learning_rate", -1),
        ("reconstruction", -1),
        ("r1", float("nan")),
        ("shift", -1),
        ("checkpoint_seconds", -1),
        ("optimiser", "sgd"),
        ("betas", (0.5, 1.0)),
        ("betas", (0.5,)),
        ("ema", 1.0),
        ("decay_start", 1.5),
        ("warm_up", 7),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(name, value):
    with pytest.raises(ValueError, match=name):
        replace(TRAINING, **{name: value})


def test_rates_fall_linearly_from_the_start_of_the_decay_to_the_last_step():
    training = replace(TRAINING, steps=10, decay_start=0.5)
    assert [training.rate_factor(step) for step in range(10)] == pytest.approx(
        [1, 1, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2]
    )
    assert {replace(training, decay_start=1).rate_factor(step) for step in range(10)} == {1}


def test_all_but_the_time_between_checkpoints_is_part_of_the_identity():
    first = TRAINING.identity(device="cpu")
    assert replace(TRAINING, checkpoint_seconds=1).identity(device="cpu") == first
    changes = {
        "steps": 9, "batch": 3, "optimiser": "adamp", "betas": (0.1, 0.9), "generator_learning_rate": 1,
        "discriminator_learning_rate": 1, "decay_start": 0.1, "ema": 0, "warm_up": 1,
        "warm_up_learning_rate": 1, "reconstruction": 1, "r1": 1, "r1_every": 1, "flip": False, "shift": 0,
        "threads": 2,
    }  # fmt: skip
    assert {*changes, "checkpoint_seconds", "device"} == set(vars(TRAINING))
    for name, value in changes.items():
        assert replace(TRAINING, **{name: value}).identity(device="cpu") != first
    assert TRAINING.identity(device="cuda") != first


def settings(*files):
    config = read_config(values("config.yaml", *files)).deid
    keys = config.gan.model_dump(exclude={"hulls", "folds", "learns_from"})
    return read_settings(keys, size=config.size)


def test_the_study_has_what_the_paper_states():
    """Sections 3.2 and 4.1 of the paper."""
    shape, training = settings()
    assert (shape.size, shape.scales, shape.blocks) == (128, 6, "mobile")
    assert training.optimiser == "adamp"
    assert (training.generator_learning_rate, training.discriminator_learning_rate) == (2e-3, 2e-3)
    assert training.betas == (0, 0.99)
    assert training.batch == settings("profiles/deid-demo/study.yaml")[1].batch == 2


def test_what_the_paper_does_not_mention_is_off_in_the_study():
    shape, training = settings()
    assert shape.noise == training.shift == 0
    assert not shape.place
    assert not training.flip
    assert training.r1 == training.reconstruction == training.warm_up == 0
    assert training.decay_start == 1


def test_every_key_of_the_config_reaches_the_shape_or_the_training():
    keys = {**vars(SHAPE), **vars(TRAINING)}
    del keys["size"]
    assert read_settings(keys, size=8) == (SHAPE, TRAINING)
    with pytest.raises(TypeError, match="folds"):
        read_settings(keys | {"folds": 2}, size=8)
