"""Figure 1 of the paper on whole heads: what each method leaves of one head, as slices and renderings."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from privessel.deid.render import shade
from privessel.figures.style import place_axes, show, styled, write_notes
from privessel.study.names import GAN_METHOD, HULL_METHOD

YAWS = (0.0, -35.0)
_PIXELS = 192
_SQUARE, _LEFT, _TOP, _NOTE = 0.92, 0.75, 0.32, 0.2
_ROWS = ("sagittal", "axial", "from the front", "from the side")
_COLUMNS = 8


def deid_fig1_data(heads: Mapping[str, NDArray]) -> dict[str, NDArray]:
    """Return what is drawn: `names` of the methods, and `pictures` (methods, rows, pixels, pixels) uint8.

    heads: what each method makes of one scan, (S, S, S) in [0, 1]. Rows: two slices through the middle of the
    head, and two renderings.
    """
    pictures = [
        [
            slice_head(head, 0, 0.5),
            slice_head(head, 2, 0.6),
            *(fit_picture(shade(head, yaw=yaw, pixels=_PIXELS)) for yaw in YAWS),
        ]
        for head in heads.values()
    ]
    return {"names": np.array(list(heads)), "pictures": np.array(pictures, np.uint8)}


@styled
def deid_fig1(data: Mapping[str, NDArray]) -> Figure:
    """Draw `deid_fig1_data`: a column a method, as many rows of columns as are needed."""
    names, pictures = data["names"], data["pictures"]
    blocks = -(-len(names) // _COLUMNS)
    width = _LEFT + _SQUARE * min(len(names), _COLUMNS) + 0.05
    tall = _TOP + _SQUARE * len(_ROWS)
    figure = Figure(figsize=(width, blocks * tall + _NOTE))
    for place, name in enumerate(names):
        block, column = divmod(place, _COLUMNS)
        for row, label in enumerate(_ROWS):
            axes = place_axes(
                figure,
                left=_LEFT + _SQUARE * column,
                top=block * tall + _TOP + _SQUARE * row,
                width=0.97 * _SQUARE,
                height=0.97 * _SQUARE,
            )
            show(axes, pictures[place, row])
            if row == 0:
                axes.set_title(
                    str(name).removeprefix(HULL_METHOD).replace(GAN_METHOD, "GAN: "), fontsize=7, pad=2
                )
            if column == 0:
                axes.text(-0.06, 0.5, label, transform=axes.transAxes, ha="right", va="center", fontsize=6.5)
    write_notes(figure, ["Inside only, unless the head is nobody's."], left=0.05, bottom=0.04)
    return figure


def slice_head(head: NDArray, axis: int, share: float) -> NDArray[np.uint8]:
    """Return a slice of a head in [0, 1], or of a mask, as a picture; `share` of the way along the axis."""
    plane = head.take(int(share * head.shape[axis]), axis)
    return fit_picture((255 * np.clip(plane, 0, 1)).astype(np.uint8).T[::-1])


def fit_picture(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a picture enlarged by whole pixels and cut or padded to _PIXELS a side."""
    large = np.kron(picture, np.ones((max(1, _PIXELS // len(picture)),) * 2, np.uint8))[:_PIXELS, :_PIXELS]
    return np.pad(large, [(0, _PIXELS - side) for side in large.shape])
