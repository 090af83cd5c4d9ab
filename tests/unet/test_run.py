import csv

import numpy as np
import pytest
import torch

from privessel.errors import BusyError
from privessel.files.lock import lock
from privessel.unet import run
from privessel.unet.net import TrainedUNet
from privessel.unet.run import train_from_files

SETTINGS = {
    "filters": [2, 3],
    "dropout": 0.2,
    "learning_rate": 1e-2,
    "batch": 4,
    "epochs": 2,
    "factor_train_samples": 1,
    "augment": False,
    "ema": 0.0,
    "checkpoint_seconds": 0,
    "device": "cpu",
    "threads": 1,
}


@pytest.fixture
def pairs(tmp_path):
    rng = np.random.default_rng(0)
    label = rng.random((13, 8, 8)) > 0.8
    image = (100 + 50 * label + rng.normal(0, 10, label.shape)).astype(np.float32)
    np.savez(tmp_path / "pairs.npz", image=image, label=label)
    return tmp_path / "pairs.npz"


def train(folder, pairs, **changes):
    names = {"weights": folder / "weights.pt", "history_csv": folder / "history.csv"}
    train_from_files([pairs], **{"settings": SETTINGS, "seed": 3, **names, **changes})
    return TrainedUNet.load(folder / "weights.pt")


def equal(one, other):
    return all(torch.equal(one.weights[name], other.weights[name]) for name in one.weights)


def test_a_finished_training_leaves_weights_history_and_an_empty_lock(tmp_path, pairs):
    trained = train(tmp_path / "unet", pairs)
    names = sorted(path.name for path in (tmp_path / "unet").iterdir())
    assert names == [".lock", "history.csv", "weights.pt"]
    rows = list(csv.DictReader((tmp_path / "unet" / "history.csv").open()))
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert all(0 < float(row["loss"]) < 1 for row in rows)
    assert (trained.shape.filters, trained.shape.dropout, trained.patch_size) == ((2, 3), 0.2, 8)
    assert trained.identity["learning_rate"] == 1e-2


def test_a_training_that_is_killed_before_its_files_are_written_continues_and_gives_the_same(
    tmp_path, pairs, monkeypatch
):
    whole = train(tmp_path / "whole", pairs)

    def kill(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(run, "save_run", kill)
        with pytest.raises(KeyboardInterrupt):
            train(tmp_path / "unet", pairs)
    assert (tmp_path / "unet" / ".resume").exists()
    assert equal(train(tmp_path / "unet", pairs), whole)
    assert not (tmp_path / "unet" / ".resume").exists()


def test_shuffled_labels_give_another_network(tmp_path, pairs):
    assert not equal(train(tmp_path / "a", pairs), train(tmp_path / "b", pairs, shuffled=True))


def test_a_training_may_start_from_another_one_s_weights(tmp_path, pairs):
    first = train(tmp_path / "first", pairs)
    still = SETTINGS | {"learning_rate": 1e-9}
    second = train(tmp_path / "second", pairs, settings=still, start=tmp_path / "first" / "weights.pt")
    assert all(torch.allclose(second.weights[name], first.weights[name], atol=1e-6) for name in first.weights)


def test_a_second_process_stands_back(tmp_path, pairs, monkeypatch):
    monkeypatch.setattr("privessel.files.lock.PATIENCE_SECONDS", 0.1)
    with lock(tmp_path / "unet" / ".lock", silent_minutes=1), pytest.raises(BusyError):
        train(tmp_path / "unet", pairs)
