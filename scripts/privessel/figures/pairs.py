"""Figure 2 and the contact sheets: labelled patches side by side."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from skimage.util import montage

from privessel.cohort.patches import rescale
from privessel.figures.style import (
    HEAD,
    HEAD_LINES,
    SMALL,
    head_column,
    head_row,
    place_axes,
    show,
    styled,
    upright,
)

_WHITE = 255
_GAP = 0.06  # between examples, as a share of a patch
_COLUMNS = 12  # of patches over the width of a page


def fig2_data(
    *,
    references: Mapping[str, tuple[np.ndarray, np.ndarray]],
    levels: pd.DataFrame,
    pairs: Sequence[tuple[np.ndarray, np.ndarray]],
    count: int,
) -> dict[str, np.ndarray]:
    """Take `count` labelled patches of every set for figure 2, each set (images (n, s, s), labels (n, s, s)).

    references: `real`, and public cohorts by name, with raw intensities; their patches are taken at equal
    steps and scaled to 0..255. levels: rows of `choose_levels`, one for each of `pairs`, of which the first
    are taken.
    """
    shown = []
    for images, labels in references.values():
        # Patches centred on vessels lie before the others, so the first would not stand for all.
        chosen = np.linspace(0, len(labels) - 1, count).astype(int)
        shown.append((rescale(images[chosen], 0, 255).astype(np.uint8), labels[chosen]))
    shown += [(images[:count], labels[:count]) for images, labels in pairs]
    public = len(references) - 1
    return {
        "image": np.stack([images for images, _ in shown]),
        "label": np.stack([labels for _, labels in shown]),
        "level": np.array([*references, *levels["level"]]),
        **{
            name: np.array([np.nan, *[0.0 if name == "eps" else np.nan] * public, *levels[name]])
            for _, name in HEAD_LINES
        },
    }


@styled
def fig2(data: Mapping[str, np.ndarray]) -> Figure:
    """Draw labelled pairs per privacy level: real patches first, then by falling eps; label below image.

    data: the entries of `fig2_data`: `image` (levels, k, s, s) uint8 0..255, `label` (levels, k, s, s) bool,
    `level` (levels,) names, of which `real` are the real patches; `eps_patient`, `eps_region`, `eps` and
    `eps_published` (levels,): inf without privacy, NaN for `real`; the eps of a public cohort is 0.
    Source: Kossen et al. 2022, figure 2.
    """
    eps = np.asarray(data["eps"], float)
    names = [str(name) for name in data["level"]]
    order = sorted(
        range(len(names)), key=lambda i: (names[i] != "real", -eps[i] if np.isfinite(eps[i]) else -np.inf)
    )
    examples, size = data["image"].shape[1:3]
    across = max(1, min(examples, _COLUMNS // len(names)))
    blocks = [_block(data["image"][i], data["label"][i], across=across) for i in order]

    left, top, space = 0.66, HEAD, 0.09
    width = min(6.5 / len(blocks) - space, across * 0.9)
    height = width * blocks[0].shape[0] / blocks[0].shape[1]
    figure = Figure(figsize=(left + len(blocks) * (width + space), top + height + 0.05))
    for column, (i, block) in enumerate(zip(order, blocks, strict=True)):
        axes = place_axes(figure, left=left + column * (width + space), top=top, width=width, height=height)
        show(axes, block)
        head_column(axes, level=names[i], spent={name: float(data[name][i]) for _, name in HEAD_LINES})
    axes = figure.axes[0]
    head_row(axes)
    for row in range(0, blocks[0].shape[0], 2 * size + _gap(size)):
        for text, centre in (("image", row + size / 2), ("label", row + 1.5 * size)):
            axes.text(-0.08 * size, centre, text, ha="right", va="center", fontsize=SMALL, color="#444444")
    return figure


@styled
def contact_sheet(images: np.ndarray, labels: np.ndarray, *, title: str) -> Figure:
    """Draw synthetic pairs as a grid, each image with its label beside it.

    images (n, s, s) uint8 0..255, labels (n, s, s) bool, n >= 1.
    """
    count, size = images.shape[:2]
    across = min(6, max(1, round(np.sqrt(count / 2))))
    gap = _gap(size)
    pairs = [np.hstack([_image(image), _label(label)]) for image, label in zip(images, labels, strict=True)]
    sheet = _mosaic(pairs, across=across, gap=gap)
    width = 1.2 * across
    height = width * sheet.shape[0] / sheet.shape[1]
    figure = Figure(figsize=(width + 0.1, height + 0.3))
    show(place_axes(figure, left=0.05, top=0.25, width=width, height=height), sheet)
    figure.text(0.05 / (width + 0.1), 1 - 0.17 / (height + 0.3), title, fontsize=7.5)
    return figure


def _gap(size: int) -> int:
    return max(1, round(_GAP * size))


def _image(image: np.ndarray) -> np.ndarray:
    return upright(image).astype(np.uint8)


def _label(label: np.ndarray) -> np.ndarray:
    return upright(label).astype(np.uint8) * 255


def _block(images: np.ndarray, labels: np.ndarray, *, across: int) -> np.ndarray:
    pairs = [np.vstack([_image(image), _label(label)]) for image, label in zip(images, labels, strict=True)]
    return _mosaic(pairs, across=across, gap=_gap(images.shape[-1]))


def _mosaic(tiles: list[np.ndarray], *, across: int, gap: int) -> np.ndarray:
    """Lay equal tiles row by row on white, `across` in a row."""
    grid = (-(-len(tiles) // across), across)
    framed = montage(np.stack(tiles), fill=_WHITE, grid_shape=grid, padding_width=gap)
    return framed[gap:-gap, gap:-gap]
