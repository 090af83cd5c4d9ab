"""The published tools on a simulated head: what they take off, and that they say so where they cannot run."""

import numpy as np
import pytest
from deid.people import SIDE, scan

from privessel.deid.faces import apply_method
from privessel.deid.frame import Framed, Place, average_brain, upright_cube
from privessel.deid.removal import face_region, shear
from privessel.deid.tools import apply_tool
from privessel.errors import ConfigError
from privessel.study.head_tools import METHOD_TOOLS


@pytest.fixture
def framed():
    image, brain = scan(0)
    return Framed(image, brain, Place(SIDE, upright_cube(SIDE), 1.0))


@pytest.fixture
def average():
    return np.mean([scan(number)[0] for number in range(1, 6)], axis=0)


def test_quickshear_keeps_the_brain_and_takes_the_face_as_our_lines_do(framed, average):
    pytest.importorskip("quickshear")
    tool = apply_method("quickshear-tool", framed, average=average, gamma=None)
    ours = shear(framed.image, framed.brain)
    assert np.array_equal(tool[framed.brain], framed.image[framed.brain])
    removed, own = ((one == 0) & (framed.image > 0.1) for one in (tool, ours))
    face = face_region(framed.brain) & (framed.image > 0.2)
    assert removed[face].mean() > 0.25
    assert (removed & own).sum() > 0.9 * removed.sum()  # ours goes nearer to the brain


@pytest.mark.slow
@pytest.mark.parametrize("method", ["niimath-deface", "niimath-reface"])
def test_niimath_changes_the_face_and_hardly_the_brain(framed, average, method):
    pytest.importorskip("niimath")
    made = apply_method(method, framed, average=average, gamma=None)
    assert made.shape == framed.image.shape
    assert 0 <= made.min() <= made.max() <= 1
    changed = np.abs(made - framed.image) > 0.05
    assert changed[framed.brain].mean() < 0.02
    face = face_region(framed.brain) & (framed.image > 0.2)
    assert changed[face].mean() > 0.4


def test_a_tool_that_is_not_installed_is_refused_with_the_remedy(framed, average, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for method in METHOD_TOOLS:
        with pytest.raises(ConfigError, match=rf"{method} needs .*Remedy: pip"):
            apply_tool(method, framed, average)


def test_the_average_brain_lies_where_every_framed_brain_does(framed):
    """People's brains are smaller and larger than the average's, and lie around the same place."""
    brain = average_brain(framed.place)
    assert 2 * (brain & framed.brain).sum() / (brain.sum() + framed.brain.sum()) > 0.75
    wide = average_brain(Place(SIDE, upright_cube(SIDE, 512.0), 1.0))
    assert wide.sum() == pytest.approx(brain.sum() / 8, rel=0.15)
