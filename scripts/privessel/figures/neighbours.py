"""Synthetic pairs beside the patches of patients that they lie nearest to, for the data owner's eyes."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from privessel.figures.style import PALETTE, SMALL, place_axes, show, styled, upright, wrap_notes, write_notes

_ROWS = {"synthetic": "synthetic", "train": "nearest\ntraining\npatch", "held": "nearest\nheld-out\npatch"}
_LEFT, _TOP, _GAP, _NUMBER = 0.75, 0.48, 0.06, 0.19  # inches


@styled
def neighbours(data: Mapping[str, np.ndarray], *, title: str) -> Figure:
    """Draw each synthetic pair over its nearest training patch and its nearest one of held-out patients.

    data: `synthetic_image`, `train_image`, `held_image` (k, s, s) uint8 0..255, and `_label` of each, bool;
    `distance_train`, `distance_held` (k,), Euclidean over images in [-1, 1] and labels -1 or 1. The label
    lies below the image, the smaller distance of a pair is bold.
    """
    count, size = data["synthetic_image"].shape[:2]
    side = min(0.8, (7 - _LEFT) / max(count, 1) - _GAP)
    width = max(_LEFT + count * (side + _GAP), 4.6)
    furthest = np.sqrt(8) * size  # 2 apart in each of 2 s s numbers
    notes = [
        f"Numbers: Euclidean distance over image and label; 0 is a copy, {furthest:.3g} the most.",
        "Bold: the nearer of the two. Where there are more training patches, one of them often is by chance.",
    ]
    notes = wrap_notes(notes, width=width - 0.2)
    tops = _TOP + np.array([0, 1, 2]) * (2 * side + _GAP) + np.array([0, 0, _NUMBER])
    height = tops[-1] + 2 * side + _NUMBER + 0.13 * len(notes) + 0.12
    figure = Figure(figsize=(width, height))
    figure.text(0.1 / width, 1 - 0.17 / height, title, fontsize=7.5)
    warning = "Shows patches of patients, unprotected: stays inside."
    figure.text(
        0.1 / width, 1 - 0.34 / height, warning, fontsize=7.5, fontweight="bold", color=PALETTE["vermillion"]
    )
    distances = np.stack([data["distance_train"], data["distance_held"]])
    for top, (name, text) in zip(tops, _ROWS.items(), strict=True):
        figure.text(0.1 / width, 1 - (top + side) / height, text, va="center", fontsize=SMALL)
        for k in range(count):
            left = _LEFT + k * (side + _GAP)
            axes = place_axes(figure, left=left, top=top, width=side, height=2 * side)
            label = upright(data[f"{name}_label"][k]).astype(np.uint8) * 255
            show(axes, np.vstack([upright(data[f"{name}_image"][k]), label]))
            if name != "synthetic":
                distance = data[f"distance_{name}"][k]
                weight = "bold" if distance == distances[:, k].min() else "normal"
                look = {"ha": "center", "va": "top", "fontsize": SMALL, "fontweight": weight}
                figure.text(
                    (left + side / 2) / width, 1 - (top + 2 * side + 0.03) / height, f"{distance:.3g}", **look
                )
    write_notes(figure, notes, left=0.1, bottom=0.06)
    return figure
