"""Figures 4, 7 and S2: what is cropped, which slices and views are shown, where scores stand."""

import numpy as np
import pandas as pd
import pytest
from figures.looking import overlaps, texts
from figures.volumes import phantom

from privessel.figures.errors import fig4, fig4_data, fig7, fig7_data
from privessel.figures.maps import classify, project


def columns(level, eps, dsc):
    """Return the table of figure 4's columns: the published eps is 1.6 times the valid one."""
    frame = pd.DataFrame({"level": level, "eps": eps, "dsc": dsc, "kind": "private"})
    spent = {"eps_patient": 1000 * frame["eps"], "eps_region": 20 * frame["eps"]}
    return frame.assign(eps_published=1.6 * frame["eps"], bahd_voxel=10 * (1 - frame["dsc"]), **spent)


def test_figure_4_shows_the_fullest_slice_with_eps_above_and_scores_below():
    image, truth, prediction = phantom()
    blind = np.zeros_like(truth)
    data = fig4_data(
        image=image,
        truth=truth,
        predictions=[truth, prediction, blind],
        columns=columns(["real", "inf", "noise-2"], [np.nan, np.inf, 0.82], [1.0, 0.61, 0.0]),
    )
    np.testing.assert_array_equal(data["truth"], truth[:, :, 2])
    shown = texts(fig4(data))
    assert {"real", "ε = ∞", "ε = 820", "16.4", "0.82", "(1.31)", "of a patient", "of a region"} <= set(shown)
    assert {"DSC 0.61\nbAHD 3.90", "DSC 0.00, slice empty\nbAHD 10.0"} <= set(shown)
    assert {"true positive", "false positive", "false negative"} <= set(shown)


def test_figure_4_keeps_of_each_tree_a_picture_from_below_and_no_volume():
    image, truth, prediction = phantom()
    image[:5] = truth[:5] = prediction[:5] = 0  # so that there is something to crop
    about = columns(["real", "inf"], [np.nan, np.inf], [1.0, 0.61])
    data = fig4_data(image=image, truth=truth, predictions=[truth, prediction], columns=about)
    assert data["image"].shape == (19, 30)
    assert data["tree"].shape == (2, 30, 19, 3)
    np.testing.assert_array_equal(data["tree"][1], project(classify(truth, prediction)[5:], axis=2))
    assert max(entry.ndim for name, entry in data.items() if name != "tree") == 3
    figure = fig4(data)
    np.testing.assert_array_equal(figure.axes[3].get_images()[0].get_array(), data["tree"][1])


@pytest.mark.parametrize("count", [1, 6, 9])
def test_figure_4_places_any_number_of_columns_without_overlap(count):
    image, truth, prediction = phantom()
    level = ["real", "phantom-random (ε = 0)"] + ["noise-2"] * (count - 2)
    eps = [np.nan, np.nan] + [0.82] * (count - 2)
    about = columns(level[:count], eps[:count], [0.5] * count)
    data = fig4_data(image=image, truth=truth, predictions=[prediction] * count, columns=about)
    figure = fig4(data)
    assert len(figure.axes) == 2 * count
    assert not overlaps(figure)
    assert ("No private level in this study." in texts(figure)) == (count == 1)


@pytest.mark.parametrize("case", ["usual", "empty prediction", "empty truth"])
def test_figure_7_shows_two_slices_and_three_views(case):
    image, truth, prediction = phantom()
    prediction = prediction & (case != "empty prediction")
    truth = truth & (case != "empty truth")
    data = fig7_data(
        image=image,
        truth=truth,
        prediction=prediction,
        brain=image > 0,
        spacing=(5.0, 5.0, 7.0),
        model={"level": "noise-0.65", "dsc": 0.61}
        | {"eps_patient": 6240.0, "eps_region": 125.0, "eps": 6.24, "eps_published": 10.18},
    )
    figure = fig7(data)
    shown = " ".join(texts(figure))
    assert len(figure.axes) == 5
    assert "ε of a patient 6,240, of a region 125, of a patch 6.24 (as published 10.2), DSC 0.61" in shown
    for text in ("big vessels", "small vessels", "from below", "from the front", "from the left", "20 mm"):
        assert text in shown
    assert ("the prediction is empty" in shown) == (case == "empty prediction")
    assert case != "usual" or not overlaps(figure)


def test_figure_7_data_is_cropped_to_the_brain():
    image, truth, prediction = phantom()
    brain = np.zeros_like(truth)
    brain[1:20, 1:28, 1:19] = True
    model = dict.fromkeys(("eps_patient", "eps_region", "eps", "eps_published"), np.inf)
    model |= {"level": "inf", "dsc": 0.5}
    about = {"spacing": (1, 1, 1), "model": model}
    data = fig7_data(image=image, truth=truth, prediction=prediction, brain=brain, **about)
    assert data["truth"].shape == (19, 27, 18)
    np.testing.assert_array_equal(data["image"], image[1:20, 1:28, 1:19])
