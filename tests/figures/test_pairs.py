"""Figure 2 and contact sheets: which patches are shown, where, and which way up."""

import re

import numpy as np
import pandas as pd
import pytest
from figures.looking import texts
from matplotlib.text import Annotation

from privessel.figures.pairs import contact_sheet, fig2, fig2_data


def pairs(levels, examples=3, size=16):
    rng = np.random.default_rng(0)
    return {
        "image": rng.integers(0, 256, (levels, examples, size, size), dtype=np.uint8),
        "label": rng.random((levels, examples, size, size)) > 0.9,
        "level": np.array(["real", "noise-2", "inf", "noise-0.65"][:levels]),
        "eps_patient": np.array([np.nan, 820, np.inf, 6240][:levels]),
        "eps_region": np.array([np.nan, 16.4, np.inf, 125][:levels]),
        "eps": np.array([np.nan, 0.82, np.inf, 6.24][:levels]),
        "eps_published": np.array([np.nan, 1.31, np.inf, 10.18][:levels]),
    }


def heads(figure):
    return [
        [text.get_text() for text in axes.findobj(Annotation) if re.match("real|ε", text.get_text())]
        for axes in figure.axes
    ]


def test_figure_2_starts_with_real_patches_and_goes_by_falling_eps():
    figure = fig2(pairs(4))
    assert heads(figure) == [["real"], ["ε = ∞"], ["ε = 6,240"], ["ε = 820"]]
    assert {"125", "6.24", "(10.2)", "(1.31)", "(∞)", "image", "label"} <= set(texts(figure))
    assert {"of a patient", "of a region", "of a patch", "published"} <= set(texts(figure))


def test_figure_2_shows_each_image_above_its_label_with_anterior_up():
    data = pairs(1, examples=1)
    data["image"][:] = 0
    data["label"][:] = False
    data["image"][0, 0, 0, -1] = 200  # patient's left, anterior: upper right on the screen
    data["label"][0, 0, 0, -1] = True
    picture = fig2(data).axes[0].get_images()[0].get_array()
    assert picture.shape == (32, 16)
    assert picture[0, -1] == 200
    assert picture[16, -1] == 255
    assert np.count_nonzero(picture) == 2


def test_figure_2_of_one_level_and_one_example_draws():
    assert len(fig2(pairs(1, examples=1)).axes) == 1


@pytest.mark.parametrize("count", [1, 7, 48])
def test_contact_sheet_shows_every_pair_once(count):
    images = np.full((count, 8, 8), 100, np.uint8)
    labels = np.zeros((count, 8, 8), bool)
    labels[:, 3, 3] = True
    figure = contact_sheet(images, labels, title="noise-0.65, run 1")
    picture = figure.axes[0].get_images()[0].get_array()
    assert np.count_nonzero(picture == 100) == count * 64
    assert np.count_nonzero(picture == 0) == count * 63
    assert "noise-0.65, run 1" in texts(figure)


def test_figure_2_takes_patches_at_equal_steps_the_first_pairs_and_the_eps_of_each_set():
    images, labels = np.arange(12.0).reshape(12, 1, 1) * np.ones((1, 4, 4)), np.ones((12, 4, 4), bool)
    images[:, 0, 0], images[:, -1, -1] = 0, 100  # every patch has the same range
    levels = pd.DataFrame(
        {"level": ["inf", "noise-2"], "eps": [np.inf, 0.82], "eps_published": [np.inf, 1.31]}
        | {"eps_patient": [np.inf, 820], "eps_region": [np.inf, 16.4]}
    )
    synthetic = (np.arange(8, dtype=np.uint8).reshape(8, 1, 1) * np.ones((1, 4, 4), np.uint8), labels[:8])
    data = fig2_data(
        references={"real": (images, labels), "ixi": (images, labels)},
        levels=levels,
        pairs=[synthetic, synthetic],
        count=3,
    )
    assert data["level"].tolist() == ["real", "ixi", "inf", "noise-2"]
    np.testing.assert_array_equal(data["eps"], [np.nan, 0, np.inf, 0.82])
    np.testing.assert_array_equal(data["eps_published"], [np.nan, np.nan, np.inf, 1.31])
    np.testing.assert_allclose(data["image"][0, :, 1, 1], 2.55 * np.array([0, 5, 11]), atol=1)
    assert data["image"][2, :, 1, 1].tolist() == [0, 1, 2]
    assert data["image"].dtype == np.uint8
