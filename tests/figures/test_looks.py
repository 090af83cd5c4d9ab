"""Colours, dashes and markers tell sources apart, whatever they are called."""

import numpy as np

from privessel.figures.looks import assign_lines, assign_marks
from privessel.figures.style import PALETTE


def test_sets_differ_in_colour_and_in_marker():
    looks = assign_marks(
        ["real", "scratch", "inf", "dcgan", "private", "phantom-one"],
        [np.nan] * 2 + [np.inf] * 2 + [1, np.nan],
    )
    assert len({colour for colour, _ in looks}) == len({marker for _, marker in looks}) == len(looks)
    assert looks[2] == (PALETTE["green"], "s")


def test_lines_of_any_names_differ_and_those_of_the_shipped_studies_never_change():
    shipped = ["real", "phantom-random", "phantom-one", "threshold", "frangi"]
    looks = assign_lines([*shipped, "ixi", "cow", "oasis"])
    assert len({str(look.dashes) for look in looks.values()}) == len(looks) == 8
    assert {name: looks[name] for name in shipped} == assign_lines(shipped)
    assert (looks["phantom-random"].colour, looks["ixi"].label) == (PALETTE["vermillion"], "ixi (ε = 0)")
