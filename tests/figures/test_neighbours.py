"""Synthetic pairs beside their nearest patches: what stands where, and that it says it stays inside."""

import numpy as np
import pytest
from figures.looking import overlaps, said, texts

from privessel.figures.neighbours import neighbours


def pairs(count=3, size=16):
    rng = np.random.default_rng(0)
    data = {f"distance_{name}": np.arange(count) + shift for name, shift in (("train", 1.25), ("held", 2.5))}
    for name in ("synthetic", "train", "held"):
        data[f"{name}_image"] = rng.integers(0, 256, (count, size, size), dtype=np.uint8)
        data[f"{name}_label"] = rng.random((count, size, size)) > 0.9
    data["distance_held"][-1] = 0.5
    return data


def test_neighbours_are_columns_of_synthetic_training_and_held_out_patches_label_below_image():
    data = pairs()
    axes = neighbours(data, title="a run").axes
    assert len(axes) == 9
    shown = axes[4].images[0].get_array()
    np.testing.assert_array_equal(shown[:16], data["train_image"][1].T[::-1, ::-1])
    np.testing.assert_array_equal(shown[16:], data["train_label"][1].T[::-1, ::-1] * 255)


def test_distances_stand_under_the_neighbours_and_the_smaller_of_a_pair_is_bold():
    figure = neighbours(pairs(), title="a run")
    numbers = {text.get_text(): text.get_fontweight() for text in figure.texts}
    assert {text for text, weight in numbers.items() if weight == "bold"} >= {"1.25", "2.25", "0.5"}
    assert {text for text, weight in numbers.items() if weight == "normal"} >= {"2.5", "3.5", "3.25"}


@pytest.mark.parametrize("count", [1, 8])
def test_neighbours_say_that_they_stay_inside_and_fit_a_page(count):
    figure = neighbours(pairs(count), title="wgan, noise-0.65, audit 1: nearest patches")
    assert "stays inside" in said(figure)
    assert "wgan, noise-0.65, audit 1: nearest patches" in texts(figure)
    assert figure.get_size_inches()[0] <= 7
    assert not overlaps(figure)
