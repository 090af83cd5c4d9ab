"""Figures 9 and S1: real and generated images in one t-SNE embedding, as points and as images."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from privessel.figures.looks import assign_marks
from privessel.figures.style import place_axes, styled, upright, wrap_notes, write_notes
from privessel.files.tables import as_text
from privessel.scores.formatting import format_eps, say_eps

_SIDE = 5.0  # inches of the embedding
_GAP = 0.1
_PALE = "#D9D9D9"
_ACROSS = 24  # images that fit beside each other in figure S1


def fig9_data(
    sets: pd.DataFrame, images: Sequence[np.ndarray], position: np.ndarray
) -> dict[str, np.ndarray]:
    """Return what figures 9 and S1 draw: all images, their positions, and which set each belongs to.

    sets: the rows of `quality.embedding.choose_sets`, one for each of `images` (n, s, s) uint8. position:
    (images in all, 2), in the same order.
    """
    return {
        "image": np.concatenate(images),
        "position": position,
        "set": np.repeat(np.arange(len(sets)), [len(part) for part in images]),
        "names": sets["set"].to_numpy(str),
        "level": sets["level"].to_numpy(str),
        "unit": as_text(sets["unit"]).to_numpy(str),
        "eps": sets["eps"].to_numpy(),
        "eps_published": sets["eps_published"].to_numpy(),
    }


@styled
def fig9(data: Mapping[str, np.ndarray]) -> Figure:
    """Draw a t-SNE embedding of real and generated images: all sets, and each over the others in grey.

    data: the entries of `fig9_data`: `position` (n, 2), and `set` (n,) int, the index of an image's set in
    `names`, `level`, `eps` and `eps_published`; both eps are NaN for sets that are not a GAN's.
    Source: Kossen et al. 2022, figure 9.
    """
    position, set_of, looks = _read(data)
    sets = len(looks)
    across = min(max(sets, 3), 5)
    small, rows = (_SIDE - (across - 1) * _GAP) / across, -(-sets // across)
    notes = wrap_notes(_notes(data), width=_SIDE)
    below = 0.3 + rows * (small + 0.3)
    figure = Figure(figsize=(_SIDE + 0.2, _key_height(sets) + _SIDE + below + 0.13 * len(notes) + 0.06))
    top = _key_height(sets)
    axes = place_axes(figure, left=0.1, top=top, width=_SIDE, height=_SIDE)
    _frame(axes, position)
    for k, (colour, marker) in enumerate(looks):
        look = {"facecolors": "none", "edgecolors": colour, "linewidths": 0.5, "marker": marker}
        axes.scatter(*position[set_of == k].T, s=7, alpha=0.8, rasterized=True, **look)
    for k, (colour, marker) in enumerate(looks):
        row, column = divmod(k, across)
        left, down = 0.1 + column * (small + _GAP), top + _SIDE + 0.3 + row * (small + 0.3)
        axes = place_axes(figure, left=left, top=down, width=small, height=small)
        _frame(axes, position)
        axes.scatter(*position[set_of != k].T, s=1.5, color=_PALE, linewidths=0, rasterized=True)
        axes.scatter(
            *position[set_of == k].T, s=3, color=colour, marker=marker, linewidths=0, rasterized=True
        )
        axes.set_title(_name_set(data, k).replace(" (", "\n("), fontsize=6, pad=2)
    _key(figure, data, looks)
    write_notes(figure, notes, left=0.1, bottom=0.05)
    return figure


@styled
def figS1(data: Mapping[str, np.ndarray]) -> Figure:  # noqa: N802
    """Draw the embedding of figure 9 with images in place of points, framed in the colour of their set.

    data: as for `fig9`, and `image` (n, s, s) uint8. Images that would cover one already drawn are left out;
    the sets take turns, each in its order. Source: Kossen et al. 2022, supplementary figure 1.
    """
    position, set_of, looks = _read(data)
    images, side = data["image"], 1.3 * _SIDE
    frame = max(1, images.shape[-1] // 16)
    tile = images.shape[-1] + 2 * frame
    corners = _place(position, across=_ACROSS, tile=tile)
    kept = thin_out(corners, set_of, apart=tile)
    canvas = np.full((_ACROSS * tile, _ACROSS * tile, 3), 255, np.uint8)
    for k in kept:
        x, y = corners[k]
        picture = np.empty((tile, tile, 3), np.uint8)
        picture[:] = np.round(255 * np.array(to_rgb(looks[set_of[k]][0])))
        picture[frame:-frame, frame:-frame] = upright(images[k])[..., None]
        canvas[y : y + tile, x : x + tile] = picture
    notes = wrap_notes([f"{len(kept)} of {len(set_of)} images shown.", *_notes(data)], width=side)
    top = _key_height(len(looks))
    figure = Figure(figsize=(side + 0.2, top + side + 0.13 * len(notes) + 0.12))
    axes = place_axes(figure, left=0.1, top=top, width=side, height=side)
    axes.imshow(canvas)
    axes.set_axis_off()
    for k, (colour, marker) in enumerate(looks):
        shown = corners[[index for index in kept if set_of[index] == k]].reshape(-1, 2) + 2 * frame
        look = {"color": colour, "edgecolors": "white", "linewidths": 0.4, "marker": marker}
        axes.scatter(*shown.T, s=11, **look)
    _key(figure, data, looks)
    write_notes(figure, notes, left=0.1, bottom=0.05)
    return figure


def thin_out(corners: np.ndarray, set_of: np.ndarray, *, apart: int) -> list[int]:
    """Return which of squares with these corners (n, 2) and side `apart` to keep so that none overlap.

    set_of (n,): the set each square belongs to. The sets take turns, each in its order; a square that would
    overlap a kept one is passed over.
    """
    turn = np.empty(len(set_of), int)
    for k in np.unique(set_of):
        turn[set_of == k] = np.arange(np.count_nonzero(set_of == k))
    kept: list[int] = []
    for index in np.lexsort((set_of, turn)):
        if (np.abs(corners[kept] - corners[index]).max(axis=1, initial=0) >= apart).all():
            kept.append(int(index))
    return kept


def _read(data: Mapping[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray, list[tuple[str, str]]]:
    looks = assign_marks([str(name) for name in data["names"]], np.asarray(data["eps"], float))
    position, set_of = np.asarray(data["position"], float), np.asarray(data["set"], int)
    return position, set_of, looks


def _place(position: np.ndarray, *, across: int, tile: int) -> np.ndarray:
    """Return the corners (n, 2) in pixels, x to the right and y down, of images at these positions."""
    low, high = position.min(axis=0), position.max(axis=0)
    span = max((high - low).max(), np.finfo(np.float32).tiny)
    share = 0.5 + (position - (low + high) / 2) / span * [1, -1]
    return np.round(share * (across - 1) * tile).astype(int)


def _frame(axes: Axes, position: np.ndarray) -> None:
    """Show the square around all positions, without numbers: t-SNE's axes have no meaning."""
    low, high = position.min(axis=0), position.max(axis=0)
    half = 0.53 * (high - low).max() or 1.0
    for centre, limit in zip((low + high) / 2, (axes.set_xlim, axes.set_ylim), strict=True):
        limit(centre - half, centre + half)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[["top", "right"]].set_visible(True)


def _name_set(data: Mapping[str, np.ndarray], k: int) -> str:
    name, eps = str(data["names"][k]), float(data["eps"][k])
    if name == "real":
        return "real patches"
    if np.isnan(eps):
        return f"{name} (ε = 0)"
    if np.isinf(eps):
        return f"{say_eps(eps)} (no privacy)"
    if np.isnan(data["eps_published"][k]):
        return f"vote, {say_eps(eps, unit='patient')}"
    published = format_eps(float(data["eps_published"][k]))
    return f"{say_eps(eps, unit=str(data['unit'][k]))} (as published {published})"


def _key_height(sets: int) -> float:
    return 0.14 + 0.16 * -(-sets // 2)


def _key(figure: Figure, data: Mapping[str, np.ndarray], looks: list[tuple[str, str]]) -> None:
    marks = [
        Line2D([], [], color=colour, marker=marker, markersize=4, ls="", label=_name_set(data, k))
        for k, (colour, marker) in enumerate(looks)
    ]
    look = {"frameon": False, "borderaxespad": 0.3, "handletextpad": 0.2, "labelspacing": 0.3}
    figure.legend(handles=marks, loc="upper center", ncols=2, **look)


def _notes(data: Mapping[str, np.ndarray]) -> list[str]:
    notes = []
    if not np.isfinite(np.asarray(data["eps"], float)).any():
        notes.append("No private GAN in this embedding.")
    for k in range(len(data["names"])):
        images = data["image"][np.asarray(data["set"]) == k]
        if len(images) > 1 and (images == images[0]).all():
            notes.append(f"{_name_set(data, k)}: all {len(images)} images are the same.")
    return notes
