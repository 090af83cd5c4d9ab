"""Figures 4, 7 and S2: where a segmentation is right and where it is wrong."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from privessel.figures.maps import (
    COLOURS,
    big_and_small_slice,
    classify,
    content_box,
    fullest_slice,
    overlay,
    project,
)
from privessel.figures.style import (
    HEAD,
    HEAD_LINES,
    SMALL,
    UNET_LEVEL,
    head_column,
    head_row,
    place_axes,
    show,
    styled,
    write_notes,
)
from privessel.scores.formatting import format_eps, format_score
from privessel.study.names import PRIVATE_UNET

_SPENT = tuple(name for _, name in HEAD_LINES)
_PAGE = 6.9  # inches of pictures across figure 7


def fig4_data(
    *,
    image: np.ndarray,
    truth: np.ndarray,
    predictions: Sequence[np.ndarray],
    columns: pd.DataFrame,
) -> dict[str, np.ndarray]:
    """Cut figures 4 and S2 from volumes (x, y, z) of one patient, a column a prediction.

    Kept are the axial slice with the most vessel voxels, and every prediction's whole tree as a picture: its
    errors seen from below, the nearest voxel shown (`tree`, uint8 RGB on screen rows). Both are cropped to
    the box in x and y of what is not zero. columns: `level`, the eps of `HEAD_LINES`, and the whole volume's
    `dsc` and `bahd_voxel`, a row a prediction; sets that are not a GAN's have no eps and are named by level.
    """
    z = fullest_slice(truth)
    masks = [np.any(mask, axis=2) for mask in (image != 0, truth, *predictions)]
    box = content_box(*masks)
    return {
        "image": np.asarray(image[:, :, z][box], np.float32),
        "truth": np.asarray(truth[:, :, z][box], bool),
        "prediction": np.stack([np.asarray(prediction[:, :, z][box], bool) for prediction in predictions]),
        "tree": np.stack(
            [project(classify(truth[box], prediction[box]), axis=2) for prediction in predictions]
        ),
        "level": np.array(
            [
                f"{UNET_LEVEL if kind == PRIVATE_UNET else ''}{level}"
                for kind, level in zip(columns["kind"], columns["level"], strict=True)
            ]
        ),
        **{name: columns[name].to_numpy(float) for name in (*_SPENT, "dsc", "bahd_voxel")},
    }


@styled
def fig4(data: Mapping[str, np.ndarray]) -> Figure:
    """Draw error maps of one slice, the whole tree below each, and below that the whole volume's scores.

    data: the entries of `fig4_data`. Source: Kossen et al. 2022, figure 4 and supplementary figure 2.
    """
    image, truth = data["image"], data["truth"]
    count = len(data["prediction"])
    rows = -(-count // 5)
    across = -(-count // rows)
    width = 1.38
    height = width * image.shape[1] / image.shape[0]
    left, gap, head, foot, legend = 0.66, 0.06, HEAD, 0.36, 0.24
    block = head + 2 * height + gap + foot
    notes = [] if np.isfinite(data["eps"]).any() else ["No private level in this study."]
    bottom = legend + 0.15 * len(notes)
    figure = Figure(figsize=(left + max(across, 2) * (width + gap), rows * block + bottom))
    for k, prediction in enumerate(data["prediction"]):
        row, column = divmod(k, across)
        place = {"left": left + column * (width + gap), "width": width, "height": height}
        axes = place_axes(figure, top=row * block + head, **place)
        show(axes, overlay(image, classify(truth, prediction)))
        spent = {name: float(data[name][k]) for name in _SPENT}
        head_column(axes, level=str(data["level"][k]), spent=spent)
        if column == 0:
            head_row(axes)
            _mark_right(axes)
        tree = place_axes(figure, top=row * block + head + height + gap, **place)
        show(tree, data["tree"][k])
        text = f"DSC {format_score(float(data['dsc'][k]))}{'' if prediction.any() else ', slice empty'}"
        text += f"\nbAHD {format_score(float(data['bahd_voxel'][k]))}"
        tree.text(0.5, -0.03, text, transform=tree.transAxes, ha="center", va="top")
    write_notes(figure, notes, left=0.12, bottom=legend)
    _key(figure)
    return figure


def fig7_data(
    *,
    image: np.ndarray,
    truth: np.ndarray,
    prediction: np.ndarray,
    brain: np.ndarray,
    spacing: Sequence[float],
    model: Mapping[str, Any],
) -> dict[str, np.ndarray]:
    """Crop one patient's volumes (x, y, z) to the brain's box for figure 7; spacing in mm.

    model: level, the eps of `HEAD_LINES` and dsc (of this patient) of the model that made the prediction.
    """
    box = content_box(brain, truth, prediction)
    return {
        "image": np.asarray(image[box], np.float32),
        "truth": np.asarray(truth[box], bool),
        "prediction": np.asarray(prediction[box], bool),
        "spacing": np.array(spacing, float),
        "level": np.array(model["level"]),
        **{name: np.array(model[name], float) for name in (*_SPENT, "dsc")},
    }


@styled
def fig7(data: Mapping[str, Any]) -> Figure:
    """Draw the errors of the best private model: a slice of big vessels, one of small ones, the whole tree.

    data: the entries of `fig7_data`. C shows from three sides the voxel nearest to the viewer, darker with
    depth. Source: Kossen et al. 2022, figure 7.
    """
    truth, spacing = np.asarray(data["truth"]), np.asarray(data["spacing"], float)
    codes = classify(truth, data["prediction"])
    big, small = big_and_small_slice(truth, spacing=spacing)
    x, y, z = np.array(truth.shape) * spacing
    slices = [overlay(data["image"][:, :, k], codes[:, :, k]) for k in (big, small)]
    views = [
        (project(codes, axis=2), (x, y), "from below"),
        (project(codes, axis=1), (x, z), "from the front"),
        (project(codes, axis=0), (y, z), "from the left"),
    ]
    gap, head, between, legend = 0.12, 0.42, 0.34, 0.26
    above = min((_PAGE - gap) / 2 / x, 3.9 / y)  # inches a mm of the slices
    below = (_PAGE - 2 * gap) / (x + x + y)  # and of the three views, which fill the width
    upper, lower = y * above, max(y, z) * below
    figure = Figure(figsize=(_PAGE + 0.1, head + upper + between + lower + legend))
    left = 0.05 + (_PAGE - 2 * x * above - gap) / 2
    for picture, letter, name in zip(slices, "AB", ("big vessels", "small vessels"), strict=True):
        axes = place_axes(figure, left=left, top=head, width=x * above, height=upper)
        show(axes, picture, extent=(x, y))
        axes.set_title(name, fontsize=7.5, pad=3)
        _letter(axes, letter)
        left += x * above + gap
    left = 0.05
    for picture, (width, height), name in views:
        top = head + upper + between + (lower - height * below) / 2
        axes = place_axes(figure, left=left, top=top, width=width * below, height=height * below)
        show(axes, picture, extent=(width, height))
        axes.set_title(name, fontsize=7.5, pad=3)
        left += width * below + gap
    _letter(figure.axes[2], "C")
    for k in (0, 2):
        _mark_right(figure.axes[k])
        _scale_bar(figure.axes[k])
    figure.text(0.5, 1 - 0.15 / figure.get_size_inches()[1], _headline(data), ha="center", fontsize=8)
    _key(figure)
    return figure


def _headline(data: Mapping[str, Any]) -> str:
    patient, region, patch, published = (format_eps(float(data[name])) for name in _SPENT)
    dsc = format_score(float(data["dsc"]))
    empty = "" if np.any(data["prediction"]) else "; the prediction is empty"
    spent = f"ε of a patient {patient}, of a region {region}, of a patch {patch} (as published {published})"
    return f"{data['level']}: {spent}, DSC {dsc}{empty}"


def _key(figure: Figure) -> None:
    names = ("true positive", "false positive", "false negative")
    handles = [
        Patch(facecolor=colour / 255, edgecolor="#444444", linewidth=0.4, label=name)
        for colour, name in zip(COLOURS[1:], names, strict=True)
    ]
    look = {"ncols": 3, "frameon": False, "handlelength": 1.0, "borderaxespad": 0.2, "fontsize": 7.5}
    figure.legend(handles=handles, loc="lower center", **look)


def _letter(axes: Axes, letter: str) -> None:
    axes.set_title(letter, loc="left", fontweight="bold", fontsize=9, pad=3)


def _mark_right(axes: Axes) -> None:
    axes.text(0.025, 0.975, "R", transform=axes.transAxes, color="white", ha="left", va="top", fontsize=7)


def _scale_bar(axes: Axes) -> None:
    """Draw 20 mm at the lower right; the axes' units are mm."""
    right, bottom = 0.96 * axes.get_xlim()[1], 0.96 * axes.get_ylim()[0]
    axes.plot([right - 20, right], [bottom, bottom], color="white", linewidth=1.2, solid_capstyle="butt")
    axes.annotate(
        "20 mm",
        (right - 10, bottom),
        (0, 3),
        textcoords="offset points",
        color="white",
        ha="center",
        fontsize=SMALL,
    )
