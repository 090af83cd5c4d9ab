import pytest

from privessel.unet.training import UNetTraining

PAPER = {
    "learning_rate": 1e-4,
    "batch": 64,
    "epochs": 15,
    "factor_train_samples": 2,
    "augment": True,
    "ema": 0.0,
    "checkpoint_seconds": 300,
    "device": "auto",
    "threads": 4,
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", 0),
        ("learning_rate", float("nan")),
        ("batch", 0),
        ("epochs", 0),
        ("factor_train_samples", -1),
        ("threads", 0),
        ("checkpoint_seconds", -1),
        ("ema", 1),
        ("ema", -0.1),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_by_name(name, value):
    UNetTraining(**PAPER)
    with pytest.raises(ValueError, match=name):
        UNetTraining(**PAPER | {name: value})


@pytest.mark.parametrize(
    ("factor", "patches", "batch", "steps"), [(2, 41000, 64, 1281), (1, 13, 4, 3), (0.5, 13, 3, 2)]
)
def test_an_epoch_has_the_whole_batches_of_factor_times_the_patches(factor, patches, batch, steps):
    training = UNetTraining(**PAPER | {"factor_train_samples": factor, "batch": batch})
    assert training.steps_per_epoch(patches) == steps


def test_too_few_patches_for_one_batch_are_refused_with_the_numbers():
    with pytest.raises(ValueError, match="31 patches.*64.*Remedy"):
        UNetTraining(**PAPER).steps_per_epoch(31)


def test_all_but_the_time_between_checkpoints_is_part_of_the_identity():
    first = UNetTraining(**PAPER).identity(device="cpu")
    assert UNetTraining(**PAPER | {"checkpoint_seconds": 1}).identity(device="cpu") == first
    changes = {
        "learning_rate": 1,
        "batch": 3,
        "epochs": 3,
        "factor_train_samples": 3,
        "augment": False,
        "ema": 0.5,
    }
    for name, value in (changes | {"threads": 3}).items():
        assert UNetTraining(**PAPER | {name: value}).identity(device="cpu") != first
    assert UNetTraining(**PAPER).identity(device="cuda") != first
