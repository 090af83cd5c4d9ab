"""What a drawn figure shows: its texts, lines, pixels, and which of its texts overlap."""

import io
import weakref

import numpy as np
import pandas as pd
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from privessel.figures.style import style

_RENDERED = weakref.WeakSet()


def render(figure):
    """Return the canvas of a figure, rendered once; a rendered figure must not be changed any more."""
    if figure not in _RENDERED:
        with style():
            FigureCanvasAgg(figure).draw()
        _RENDERED.add(figure)
    return figure.canvas


def pixels(figure):
    """Return the picture at 100 dpi as bytes."""
    return bytes(render(figure).buffer_rgba())


def text_artists(artist):
    """Return all texts below an artist, but for those of axes that are switched off."""
    found = []
    for child in artist.get_children():
        if not (isinstance(child, Axis) and not child.axes.axison):
            found += text_artists(child)
    return [*found, artist] if isinstance(artist, Text) else found


def texts(figure):
    """Return what is written in a figure or in its axes, without empty texts."""
    return [text.get_text() for text in text_artists(figure) if text.get_text()]


def said(figure):
    """Return all texts of a figure as one line."""
    return " ".join(texts(figure)).replace("\n", " ")


def as_read_back(frame):
    """Return a table as pandas reads it from its CSV."""
    return pd.read_csv(io.StringIO(frame.to_csv(index=False)))


def overlaps(figure):
    """Return pairs of visible texts whose boxes share more than a sliver."""
    shown, boxes = _visible_texts(figure)
    ends = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = ends - np.maximum(boxes[:, None, :2], boxes[None, :, :2])  # width and height of each pair
    pairs = np.argwhere(np.triu((shared > (1, 2)).all(axis=2), k=1))
    return [(shown[i].get_text(), shown[j].get_text()) for i, j in pairs]


def cut_off(figure):
    """Return visible texts that reach beyond the figure's edge by more than a sliver."""
    shown, boxes = _visible_texts(figure)
    beyond = (boxes[:, :2] < -1).any(axis=1) | (boxes[:, 2:] > figure.bbox.extents[2:] + 1).any(axis=1)
    return [shown[k].get_text() for k in np.flatnonzero(beyond)]


def _visible_texts(figure):
    """Return the texts that are drawn, and their boxes (n, 4) in pixels."""
    render(figure)
    hidden = set()
    # Labels beyond the end of an axis have a place, but are not drawn.
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis) if axes.axison else ():
            low, high = sorted(axis.get_view_interval())
            beyond = [tick for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high]
            hidden |= {text for tick in beyond for text in (tick.label1, tick.label2)}
    shown = [text for text in text_artists(figure) if text.get_text().strip() and text not in hidden]
    # An annotation's own extent would include what it points at.
    boxes = np.array([Text.get_window_extent(text).extents for text in shown]).reshape(-1, 4)
    return shown, boxes


def points(axes, marker):
    """Return the heights of all points drawn with a marker."""
    lines = [line for line in axes.get_lines() if line.get_marker() == marker]
    return sorted(np.concatenate([line.get_ydata() for line in lines]))


def levels(axes):
    """Return the heights of all lines from edge to edge."""
    return sorted(line.get_ydata()[0] for line in axes.get_lines() if list(line.get_xdata()) == [0, 1])
