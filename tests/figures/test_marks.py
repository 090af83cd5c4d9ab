"""Names of lines that lie close to each other are moved apart."""

import numpy as np
import pytest

from privessel.figures.marks import spread


@pytest.mark.parametrize(
    "heights", [[0.5, 0.5, 0.5], [0.0, 0.01, 0.02, 0.9], [0.99, 1.0, 0.98], [0.2, 0.8], [0.5], []]
)
def test_names_of_lines_are_moved_apart_in_order_and_stay_inside(heights):
    places = spread(heights, apart=0.1)
    ranked = places[np.argsort(heights, kind="stable")]
    assert (np.diff(ranked) >= 0.1 - 1e-9).all()
    assert ((places >= -1e-9) & (places <= 1 + 1e-9)).all()


def test_names_of_lines_that_do_not_touch_stay_where_they_are():
    np.testing.assert_allclose(spread([0.7, 0.1, 0.4], apart=0.1), [0.7, 0.1, 0.4])
