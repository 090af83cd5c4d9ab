"""The style that all figures share, and how they are written: the same figure gives the same bytes."""

import functools
import textwrap
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ParamSpec, TypeVar

import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from privessel.files.atomic import atomic_path
from privessel.scores.formatting import eps_columns, format_eps, say_eps

P = ParamSpec("P")
R = TypeVar("R")

# Okabe and Ito's palette, safe for the common colour-blindnesses, without its yellow: too pale on white.
PALETTE = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "green": "#009E73",
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "purple": "#CC79A7",
    "grey": "#6E6E6E",
}
SMALL = 6.5
UNET_LEVEL = "U-Net, "  # what stands before the level of a private U-Net
# What stands above a picture, from the top: names, and the entries of the data that hold the numbers.
HEAD_LINES = tuple(
    (whose if whose == "published" else f"of a {whose}", column)
    for whose, column in eps_columns("patch").items()
)
HEAD = 0.64  # inches that they take
_LOWEST, _LINE = 4.5, 10  # points from a picture up to the lowest of their base lines, and between two lines

_PARAMETERS = {
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same glyphs on every machine
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "ytick.minor.width": 0.4,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "ytick.minor.size": 1.5,
    "lines.linewidth": 1.0,
    "image.interpolation": "none",
    "savefig.dpi": 300,
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
}
# By default a file carries the time at which it was written, so two files of one figure would differ.
_METADATA = {".pdf": {"CreationDate": None, "ModDate": None}, ".png": {"Software": None}}


def style() -> AbstractContextManager[None]:
    """Return a context in which matplotlib draws in the house style; a user's matplotlibrc is set aside."""
    return matplotlib.style.context(["default", _PARAMETERS])


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Run a drawing function inside `style()`."""

    @functools.wraps(draw)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        with style():
            return draw(*args, **kwargs)

    return wrapper


def save(figure: Figure, *paths: Path) -> None:
    """Write `figure` to every path, `.pdf` (fonts as type 42) or `.png` (300 dpi), each whole or not at all.

    The bytes depend on the figure and the version of matplotlib only. Raises ValueError for another suffix.
    """
    unknown = [str(path) for path in paths if Path(path).suffix not in _METADATA]
    if unknown:
        raise ValueError(f"figures are written as .pdf or .png, not as {', '.join(unknown)}")
    with style():
        for path in paths:
            suffix = Path(path).suffix
            with atomic_path(Path(path)) as partial:
                figure.savefig(partial, format=suffix[1:], metadata=_METADATA[suffix])


def place_axes(figure: Figure, *, left: float, top: float, width: float, height: float) -> Axes:
    """Add axes, all in inches; `left` and `top` count from the upper left corner of the figure."""
    across, down = figure.get_size_inches()
    return figure.add_axes((left / across, 1 - (top + height) / down, width / across, height / down))


def open_page(figure: Figure) -> Axes:
    """Add axes over the whole figure, for printed tables: inches from its upper left corner, y runs down."""
    width, height = figure.get_size_inches()
    page = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    page.set_axis_off()
    return page


def draw_rule(page: Axes, y: float, *, linewidth: float, margin: float = 0.05) -> None:
    """Draw a horizontal line across the page of `open_page`, y inches from its top."""
    page.plot([margin, page.get_xlim()[1] - margin], [y, y], color="black", linewidth=linewidth)


def head_column(axes: Axes, *, level: str, spent: Mapping[str, float]) -> None:
    """Write above a picture its eps of a patient, a region and a patch, and the published one.

    spent: a number for each of `HEAD_LINES`. Real patches have their name instead, and a public cohort has
    its name below its eps of 0.
    """
    eps = spent["eps"]
    if np.isnan(eps):
        texts = [level]
    elif eps == 0:
        texts = ["ε = 0", level.removeprefix("phantom-")]
    else:
        *valid, published = (format_eps(spent[name]) for _, name in HEAD_LINES)
        # Votes and private U-Nets have an eps that the paper's accounting knows nothing of.
        unlike = "U-Net" if level.startswith(UNET_LEVEL) else "vote"
        how = unlike if np.isnan(spent["eps_published"]) else published
        texts = [say_eps(spent["eps_patient"]), *valid[1:], f"({how})"]
    look = {"xycoords": "axes fraction", "textcoords": "offset points", "ha": "center"}
    for k, text in enumerate(reversed(texts)):
        axes.annotate(text, (0.5, 1), (0, _LOWEST + k * _LINE), fontsize=7.5, **look)


def head_row(axes: Axes) -> None:
    """Write left of a row of pictures what the lines of their heads are."""
    look = {"xycoords": "axes fraction", "textcoords": "offset points", "ha": "right"}
    for k, (text, _) in enumerate(reversed(HEAD_LINES)):
        axes.annotate(text, (0, 1), (-4, _LOWEST + k * _LINE), fontsize=SMALL, color="#444444", **look)


def show(axes: Axes, picture: np.ndarray, *, extent: tuple[float, float] | None = None) -> None:
    """Draw `picture` (rows, columns[, 3]), uint8, without axes; `extent` its width and height, as in mm."""
    box = None if extent is None else (0, extent[0], extent[1], 0)
    axes.imshow(picture, cmap="gray", vmin=0, vmax=255, extent=box)
    axes.set_axis_off()


def upright(plane: np.ndarray) -> np.ndarray:
    """Turn an axial plane (x, y, ...) in RAS into screen rows: anterior up, patient's right on the left."""
    return np.swapaxes(plane, 0, 1)[::-1, ::-1]


def wrap_notes(notes: list[str], *, width: float) -> list[str]:
    """Break notes into lines that fit `width` inches at the size of notes."""
    return [line for note in notes for line in textwrap.wrap(note, int(width / 0.053))]


def write_notes(figure: Figure, lines: list[str], *, left: float, bottom: float) -> None:
    """Write lines of notes on missing or odd values, upwards from a corner given in inches."""
    width, height = figure.get_size_inches()
    figure.text(left / width, bottom / height, "\n".join(lines), fontsize=SMALL, color="#444444", va="bottom")
