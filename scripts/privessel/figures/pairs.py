"""Figure 2 and the contact sheets: labelled patches side by side."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from privessel.figures.style import SMALL, head_column, head_row, place_axes, show, styled, upright

_WHITE = 255
_GAP = 0.06  # between examples, as a share of a patch
_COLUMNS = 12  # of patches over the width of a page


@styled
def fig2(data: Mapping[str, np.ndarray]) -> Figure:
    """Draw labelled pairs per privacy level: real patches first, then by falling eps; label below image.

    data: `image` (levels, k, s, s) uint8 0..255, `label` (levels, k, s, s) bool, `level` (levels,) names, the
    real patches called `real`; `eps` and `eps_published` (levels,), inf without privacy, NaN for `real`; a
    public phantom has eps 0.
    Source: Kossen et al. 2022, figure 2.
    """
    eps = np.asarray(data["eps"], float)
    published = np.asarray(data["eps_published"], float)
    names = [str(name) for name in data["level"]]
    order = sorted(
        range(len(names)), key=lambda i: (names[i] != "real", -eps[i] if np.isfinite(eps[i]) else -np.inf)
    )
    examples, size = data["image"].shape[1:3]
    across = max(1, min(examples, _COLUMNS // len(names)))
    blocks = [_block(data["image"][i], data["label"][i], across=across) for i in order]

    left, top, space = 0.62, 0.36, 0.09
    width = min(6.5 / len(blocks) - space, across * 0.9)
    height = width * blocks[0].shape[0] / blocks[0].shape[1]
    figure = Figure(figsize=(left + len(blocks) * (width + space), top + height + 0.05))
    for column, (i, block) in enumerate(zip(order, blocks, strict=True)):
        axes = place_axes(figure, left=left + column * (width + space), top=top, width=width, height=height)
        show(axes, block)
        head_column(axes, level=names[i], eps=eps[i], eps_published=published[i])
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
    height, width = tiles[0].shape
    rows = -(-len(tiles) // across)
    sheet = np.full((rows * (height + gap) - gap, across * (width + gap) - gap), _WHITE, np.uint8)
    for k, tile in enumerate(tiles):
        y, x = (k // across) * (height + gap), (k % across) * (width + gap)
        sheet[y : y + height, x : x + width] = tile
    return sheet
