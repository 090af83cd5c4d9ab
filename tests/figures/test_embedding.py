"""Figures 9 and S1: every image at its place, none over another, and the sets named."""

import itertools
from functools import cache

import numpy as np
import pandas as pd
import pytest
from figures.looking import overlaps, said, texts
from matplotlib.colors import to_rgba

from privessel.figures.embedding import fig9, fig9_data, figS1, thin_out
from privessel.figures.style import PALETTE


def embedded(names=("real", "inf", "private", "phantom-random"), count=30, side=16):
    """Return an embedding in which each set is a cloud of its own grey."""
    rng = np.random.default_rng(0)
    eps = [{"inf": np.inf, "private": 6.24}.get(name, np.nan) for name in names]
    own = np.repeat(np.arange(len(names)), count)
    return {
        "image": (60 * own[:, None, None] + np.zeros((1, side, side))).astype(np.uint8),
        "position": rng.normal(size=(len(own), 2)) + 3 * own[:, None],
        "set": own,
        "names": np.array(names),
        "level": np.array(names),
        "unit": np.array(["patch"] * len(names)),
        "eps": np.array(eps),
        "eps_published": np.array([{6.24: 10.18}.get(value, value) for value in eps]),
    }


@cache
def drawn(draw):
    """Return a figure of five sets; tests only look at it."""
    return draw(embedded(names=("real", "inf", "private", "phantom-one", "phantom-random"), side=8))


def test_data_name_the_set_of_every_image():
    sets = pd.DataFrame(
        {"set": ["real", "ixi"], "level": ["real", ""], "unit": "", "eps": np.nan, "eps_published": np.nan}
    )
    images = [np.full((count, 4, 4), count, np.uint8) for count in (2, 3)]
    data = fig9_data(sets, images, np.zeros((5, 2)))
    assert data["set"].tolist() == [0, 0, 1, 1, 1]
    assert data["image"][:, 0, 0].tolist() == [2, 2, 3, 3, 3]
    assert "ixi (ε = 0)" in texts(fig9(data))


def test_figure_9_shows_all_images_at_their_places_and_each_set_alone():
    data = embedded()
    figure = fig9(data)
    clouds = [cloud.get_offsets() for cloud in figure.axes[0].collections]
    np.testing.assert_allclose(np.concatenate(clouds), data["position"])
    assert len(figure.axes) == 5
    assert [len(cloud.get_offsets()) for cloud in figure.axes[1].collections] == [90, 30]


@pytest.mark.parametrize("draw", [fig9, figS1])
def test_every_set_is_named_with_both_eps_and_no_two_texts_overlap(draw):
    shown = {
        "real patches",
        "ε = ∞ (no privacy)",
        "phantom-random (ε = 0)",
        "ε = 6.24 a patch (as published 10.2)",
    }
    assert shown <= set(texts(drawn(draw)))
    assert not overlaps(drawn(draw))


def test_an_embedding_without_a_private_set_says_so():
    assert "No private GAN" in said(fig9(embedded(names=("real", "inf"))))


@pytest.mark.parametrize("draw", [fig9, figS1])
def test_collapsed_set_on_one_spot_is_drawn_and_named(draw):
    data = embedded(names=("real", "private"))
    data["position"][:] = 0.0
    data["image"][:30] = np.arange(30)[:, None, None]
    notes = " ".join(texts(draw(data)))
    assert "ε = 6.24 a patch (as published 10.2): all 30 images are the same." in notes
    assert "real patches: all" not in notes


def test_no_two_images_of_figure_s1_overlap_and_none_could_be_added():
    rng = np.random.default_rng(1)
    corners, own = rng.integers(0, 200, (150, 2)), rng.integers(0, 3, 150)
    kept = thin_out(corners, own, apart=20)

    def touch(a, b):
        return abs(corners[a] - corners[b]).max() < 20

    assert not any(touch(a, b) for a, b in itertools.combinations(kept, 2))
    left = set(range(150)) - set(kept)
    assert all(any(touch(index, other) for other in kept) for index in left)


def test_sets_take_turns_where_images_would_overlap():
    corners = np.array([[0, 0], [30, 0], [25, 0], [60, 0]])
    # The second of set 0 at 30 would cover the first of set 1 at 25.
    assert sorted(thin_out(corners, np.array([0, 0, 1, 1]), apart=20)) == [0, 2, 3]
    assert sorted(thin_out(corners, np.array([0, 0, 0, 1]), apart=20)) == [0, 1, 3]


def test_images_that_just_touch_are_both_shown():
    assert thin_out(np.array([[0, 0], [20, 0], [0, 39]]), np.zeros(3, int), apart=20) == [0, 1, 2]


def test_figure_s1_puts_an_image_with_high_y_up_and_frames_it_in_the_colour_of_its_set():
    data = embedded(names=("real", "inf"), count=1)
    data["position"] = np.array([[0.0, 0.0], [1.0, 1.0]])
    canvas = np.asarray(figS1(data).axes[0].get_images()[0].get_array())
    green = np.round(255 * np.array(to_rgba(PALETTE["green"])[:3]))
    assert canvas[0, -1].tolist() == green.tolist()
    assert canvas[-1, 0].tolist() == [0, 0, 0]
    assert canvas[10, -10].tolist() == [60, 60, 60]
    assert canvas[0, 0].tolist() == [255, 255, 255]
