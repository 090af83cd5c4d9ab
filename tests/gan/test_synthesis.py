"""Synthetic pairs: stored as a U-Net reads them, and the same whenever they are drawn again."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch

from privessel.files import checkpoint
from privessel.gan.nets import GanShape, Generator
from privessel.gan.synthesis import pairs_seed, synthesise
from privessel.seeds import derive
from privessel.study.names import GanName

torch.set_num_threads(1)

SHAPE = GanShape(12, 3, 2, 2, "batch", "instance", "nearest", noise_map=True)


@pytest.fixture
def saved(tmp_path):
    torch.manual_seed(0)
    generator = Generator(SHAPE)
    generator(torch.randn(50, SHAPE.inputs) + 1)  # batch norm has seen some batch
    path = tmp_path / "generator.pt"
    checkpoint.save(path, {"shape": asdict(SHAPE), "epoch": 1, "weights": generator.state_dict()})
    return path, generator.eval()


def drawn(path, **changes):
    settings = {"n": 11, "seed": 5, "label_threshold": 0.0, "batch": 4, "device": "cpu"}
    return synthesise(path, **{**settings, **changes})


def outputs(generator):
    """What the generator makes of the Gaussian inputs of seed 5."""
    latents = np.random.default_rng(5).standard_normal((11, SHAPE.inputs), np.float32)
    with torch.no_grad():
        return generator(torch.from_numpy(latents)).numpy()


def test_each_image_spans_0_to_255_and_labels_are_where_their_channel_passes_the_threshold(saved):
    path, generator = saved
    images, labels = drawn(path)
    assert (images.shape, images.dtype, labels.shape, labels.dtype) == (
        (11, 12, 12),
        np.uint8,
        (11, 12, 12),
        bool,
    )
    assert (images.min((1, 2)) == 0).all()
    assert (images.max((1, 2)) == 255).all()
    raw = outputs(generator)
    threshold = np.quantile(raw[:, 1], 0.8)
    _, labels = drawn(path, label_threshold=threshold)
    clear = np.abs(raw[:, 1] - threshold) > 1e-6
    assert np.array_equal(labels[clear], (raw[:, 1] > threshold)[clear])
    assert labels.mean() == pytest.approx(0.2, abs=0.01)
    for image, before in zip(images, raw[:, 0], strict=True):
        exact = 255 * (before - before.min()) / (before.max() - before.min())
        assert np.abs(image - exact).max() <= 0.5 + 1e-3


def test_pairs_follow_from_the_seed_whatever_the_batch(saved):
    one, other = drawn(saved[0], batch=11), drawn(saved[0], batch=3)
    assert np.abs(one[0].astype(int) - other[0]).max() <= 1
    assert np.array_equal(drawn(saved[0])[0], drawn(saved[0])[0])
    assert not np.array_equal(drawn(saved[0])[0], drawn(saved[0], seed=6)[0])


def test_the_seed_of_pairs_follows_from_their_name_as_it_always_did():
    name = GanName("wgan", "noise-0.65", run=2, epoch=50)
    assert pairs_seed(2022, name) == derive(2022, "synthesis", "wgan", "noise-0.65", "2", "50")
    assert pairs_seed(2022, name) == 9169121591862142044  # what earlier releases were made from
    assert pairs_seed(2022, replace(name, shuffled=True)) == pairs_seed(2022, name)
    others = [replace(name, run=50, epoch=2), replace(name, level="inf"), replace(name, arch="other")]
    assert len({pairs_seed(2022, each) for each in (name, *others)} | {pairs_seed(1, name)}) == 5
    with pytest.raises(ValueError, match="names a run and not the pairs"):
        pairs_seed(2022, name.run_name)


def test_a_file_that_is_no_generator_is_refused_by_name(tmp_path):
    checkpoint.save(tmp_path / "other.pt", {"mean": 1.0})
    with pytest.raises(ValueError, match="other.pt is no generator"):
        drawn(tmp_path / "other.pt")
