"""Colours, dashes, markers and printed names of what is drawn, the same for one source in every figure."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np

from privessel.figures.style import PALETTE
from privessel.study.names import PLAIN_GAN, PRIVATE_GAN, PRIVATE_UNET, REAL, VOTE

LEVEL_COLOURS = {PLAIN_GAN: PALETTE["green"], PRIVATE_GAN: PALETTE["blue"], VOTE: PALETTE["vermillion"]}
LEVEL_COLOURS |= {PRIVATE_UNET: PALETTE["purple"]}


@dataclass(frozen=True)
class LineLook:
    """A reference line: what is written beside it, its colour and its dashes as matplotlib takes them."""

    label: str
    colour: str
    dashes: Any


# Real patches, and the sources of the shipped studies. Any other source takes the next spare look.
_LINES = {
    REAL: LineLook("real patches", PALETTE["black"], "-"),
    "phantom-random": LineLook("phantom-random (ε = 0)", PALETTE["vermillion"], (0, (6, 2))),
    "phantom-one": LineLook("phantom-one (ε = 0)", PALETTE["purple"], (0, (3, 1.5))),
    "threshold": LineLook("threshold (ε = 0)", PALETTE["orange"], (0, (6, 1.5, 1, 1.5))),
    "frangi": LineLook("Frangi filter (ε = 0)", PALETTE["sky"], (0, (1, 1.2))),
}
_SPARE_LINES = [
    (PALETTE["grey"], (0, (4, 1, 1, 1, 1, 1))),
    (PALETTE["black"], (0, (2, 2))),
    (PALETTE["vermillion"], (0, (10, 2))),
    (PALETTE["sky"], (0, (8, 1.5, 2, 1.5))),
    (PALETTE["purple"], (0, (1, 2.5))),
    (PALETTE["orange"], (0, (2, 1, 6, 1))),
]
# Colour and marker of sets of images and of the starts of transfer learning.
_MARKS = {
    REAL: (PALETTE["black"], "o"),
    "scratch": (PALETTE["grey"], "X"),
    PLAIN_GAN: (PALETTE["green"], "s"),
    "phantom-random": (PALETTE["vermillion"], "D"),
    "phantom-one": (PALETTE["purple"], "v"),
}
_SPARE_MARKS = [
    (PALETTE[colour], marker)
    for colour, marker in (("blue", "^"), ("sky", "P"), ("orange", "p"), ("grey", "<"), ("black", "*"))
]


def assign_lines(sources: Sequence[str]) -> dict[str, LineLook]:
    """Return the look of each reference line; a source without a look of its own takes the next spare one.

    >>> assign_lines(["real", "ixi"])["ixi"].label
    'ixi (ε = 0)'
    """
    spare = cycle(_SPARE_LINES)
    return {
        source: _LINES[source] if source in _LINES else LineLook(f"{source} (ε = 0)", *next(spare))
        for source in dict.fromkeys(sources)
    }


def assign_marks(names: Sequence[str], eps: Sequence[float]) -> list[tuple[str, str]]:
    """Return a colour and a marker for each set of images or start; either alone tells them apart.

    names: `real`, `scratch` and the phantoms of the shipped studies look the same in every figure, and so
    does the first entry of infinite eps. All others take the spare looks in order.
    """
    spare, looks = cycle(_SPARE_MARKS), []
    for name, spent in zip(names, eps, strict=True):
        look = _MARKS.get(PLAIN_GAN if np.isinf(spent) else name)
        looks.append(next(spare) if look is None or look in looks else look)
    return looks
