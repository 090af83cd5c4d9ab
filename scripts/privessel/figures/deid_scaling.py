"""Figure 5 of the paper on whole heads: a privacy transform made larger and smaller, and what comes of it."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from privessel.deid.gamma import Gamma
from privessel.deid.render import shade
from privessel.deid.scaling import MEASURED, resized_side
from privessel.figures.deid_methods import fit_picture, slice_head
from privessel.figures.style import PALETTE, SMALL, place_axes, show, styled, write_notes

_ROWS = ("brain mask", "brain", "hull", "head", "rendering")
_LOOKS = dict(zip(MEASURED, (("s", "sky"), ("^", "green"), ("o", "vermillion"), ("D", "black")), strict=True))
_SQUARE, _LEFT, _TOP, _GAP, _TALL, _BELOW = 0.92, 0.85, 0.3, 0.3, 1.9, 0.72


def deid_fig5_data(
    factors: Sequence[float],
    volumes: NDArray[np.float64],
    shown: Sequence[tuple[Gamma, NDArray]],
    *,
    source: str,
) -> dict[str, NDArray]:
    """Return what is drawn.

    volumes: mL (people, factors, MEASURED). shown: each scaled gamma of one person and the head made of it.
    source: what makes heads of gammas. Pictures are sagittal slices through the middle, and a rendering.
    """
    side = len(shown[0][1])
    pictures = [
        [
            *(slice_head(volume, 0, 0.5) for volume in (gamma.brain, gamma.masked_brain, gamma.hull, head)),
            fit_picture(shade(head, yaw=-35.0, pixels=192)),
        ]
        for gamma, head in shown
    ]
    return {
        "factors": np.array(factors, float),
        "used": np.array([resized_side(factor, side) / side for factor in factors]),
        "volumes": volumes,
        "pictures": np.array(pictures, np.uint8),
        "source": np.array(source),
    }


@styled
def deid_fig5(data: Mapping[str, NDArray]) -> Figure:
    """Draw `deid_fig5_data`: pictures of one person, and volumes of all against the cube of the factor.

    A mark is the median over people and its bar goes from the least to the largest. The line is where a
    volume would be if it grew by the cube of the factor, as whole voxels allow it, from its own at the factor
    nearest to 1.
    """
    factors, pictures, volumes = data["factors"], data["pictures"], data["volumes"]
    wide = _LEFT + _SQUARE * len(factors) + 0.1
    above = _TOP + _SQUARE * len(_ROWS)
    figure = Figure(figsize=(wide, above + _GAP + _TALL + _BELOW))
    for column, factor in enumerate(factors):
        for row, label in enumerate(_ROWS):
            left, top = _LEFT + _SQUARE * column, _TOP + _SQUARE * row
            axes = place_axes(figure, left=left, top=top, width=0.97 * _SQUARE, height=0.97 * _SQUARE)
            show(axes, pictures[column, row])
            if row == 0:
                axes.set_title(f"{factor:g}", fontsize=7, pad=2)
            if column == 0:
                axes.text(-0.06, 0.5, label, transform=axes.transAxes, ha="right", va="center", fontsize=6.5)
    axes = place_axes(figure, left=_LEFT, top=above + _GAP, width=wide - _LEFT - 1.35, height=_TALL)
    _draw_volumes(axes, factors, data["used"], volumes)
    axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1), frameon=False, fontsize=SMALL, borderpad=0)
    failed = int((volumes[:, :, -1] == 0).sum())
    notes = [
        f"{len(volumes)} people. Heads: {data['source']}. Inside only, unless these heads are nobody's.",
        f"No brain was found in {failed} of {volumes[:, :, -1].size} heads; they have no mark.",
    ]
    write_notes(figure, notes, left=0.05, bottom=0.04)
    return figure


def _draw_volumes(axes, factors: NDArray, used: NDArray, volumes: NDArray) -> None:
    middle = int(np.argmin(np.abs(factors - 1)))
    expected = (used / used[middle]) ** 3
    axes.plot(factors, expected, color=PALETTE["grey"], linewidth=0.8, label="cube of factor")
    step = np.diff(factors).min() / 10
    for place, (name, (marker, colour)) in enumerate(_LOOKS.items()):
        own = volumes[:, :, place]
        kept = own[own[:, middle] > 0]
        ratios = np.where(kept > 0, kept, np.nan) / kept[:, [middle]]
        there = ~np.isnan(ratios).all(0) if len(ratios) else np.zeros(len(factors), bool)
        if not there.any():
            continue
        low, mid, high = np.nanquantile(ratios[:, there], [0, 0.5, 1], axis=0)
        axes.errorbar(
            factors[there] + (place - 1.5) * step,
            mid,
            yerr=[mid - low, high - mid],
            fmt=marker,
            markersize=3,
            linewidth=0.7,
            color=PALETTE[colour],
            label=name,
        )
    axes.set_xticks(factors, [f"{factor:g}" for factor in factors])
    axes.set_xlabel("factor on the side of the privacy transform")
    axes.set_ylabel("volume, of that at 1")
