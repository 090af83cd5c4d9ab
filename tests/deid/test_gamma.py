import itertools

import numpy as np
import pytest
from deid.people import SIDE, scan
from scipy.spatial import Delaunay

from privessel.deid.gamma import Gamma, transform
from privessel.deid.hull import draw_planes, fill_planes, fill_support, spread_directions, support
from privessel.deid.surface import find_surface, first_hits
from privessel.errors import CohortError, DamagedError


def ball(side=24, radius=8.0):
    axis = np.arange(side) - (side - 1) / 2
    return axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, :] ** 2 <= radius**2


def walk_rays(head):
    """Equations 2 to 4 read literally: walk along every line of voxels from both ends."""
    hits = np.zeros(head.shape)
    for axis, step in itertools.product(range(3), (1, -1)):
        for line in itertools.product(*(range(n) for k, n in enumerate(head.shape) if k != axis)):
            for k in range(head.shape[axis])[::step]:
                place = (*line[:axis], k, *line[axis:])
                if head[place]:
                    hits[place] += 1 / 6
                    break
    return hits


def test_first_hits_are_those_of_walking_along_every_ray():
    head = np.random.default_rng(1).random((7, 7, 7)) < 0.2
    np.testing.assert_allclose(first_hits(head), walk_rays(head), atol=1e-6)


def test_the_surface_lies_on_the_skin_and_not_inside():
    head = ball().astype(np.float32)
    surface = find_surface(head, np.random.default_rng(2), rotations=8)
    axis = np.arange(24) - 11.5
    radius = np.sqrt(axis[:, None, None] ** 2 + axis[None, :, None] ** 2 + axis[None, None, :] ** 2)
    assert surface[radius < 5].max() == 0
    assert surface[(radius > 7) & (radius < 8.2)].mean() > 0.15


def test_every_facet_together_is_the_convex_hull():
    """Compared with a triangulation of the same points, which knows nothing of planes."""
    surface = (np.random.default_rng(3).random((16, 16, 16)) < 0.01).astype(np.float32)
    planes = draw_planes(surface, np.random.default_rng(4), planes=10_000)
    voxels = np.argwhere(np.ones_like(surface))
    inside = Delaunay(np.argwhere(surface)).find_simplex(voxels, tol=1e-9) >= 0
    filled = fill_planes(planes, 16)
    assert (filled.ravel() != inside).mean() < 1e-3  # voxels exactly on a facet may fall to either side


def test_fewer_planes_leave_more_of_the_volume():
    image, _ = scan(0)
    surface = find_surface(image, np.random.default_rng(5), rotations=8)
    sizes = [
        fill_planes(draw_planes(surface, np.random.default_rng(6), planes=n), SIDE).sum()
        for n in (10, 100, 10_000)
    ]
    assert sizes[0] > sizes[1] > sizes[2]


def test_an_empty_image_has_no_hull():
    with pytest.raises(CohortError, match="no surface"):
        transform(
            np.zeros((8, 8, 8)), np.zeros((8, 8, 8), bool), np.random.default_rng(0), rotations=2, planes=9
        )


def test_the_hull_of_a_head_holds_nearly_all_of_it_and_the_brain():
    image, brain = scan(1)
    gamma = transform(image, brain, np.random.default_rng(7), rotations=8, planes=100)
    assert gamma.hull[image > 0.3].mean() > 0.98
    assert gamma.hull[brain].all()
    np.testing.assert_array_equal(gamma.masked_brain[brain], image[brain])
    assert not gamma.masked_brain[~brain].any()


def test_the_support_of_a_ball_is_its_radius_everywhere():
    values = support(ball(64, 20), spread_directions())
    assert np.all((values > 18.8) & (values <= 20))


def test_support_looks_at_every_voxel():
    solid = np.random.default_rng(8).random((9, 9, 9)) < 0.05
    directions = spread_directions()
    points = np.argwhere(solid) - 4.0
    np.testing.assert_allclose(support(solid, directions), (points @ directions.T).max(0))


def test_a_solid_filled_from_a_support_has_that_support():
    directions, hull = spread_directions(), ball(32, 11)
    filled = fill_support(support(hull, directions), directions, 32)
    assert filled[hull].all()
    assert filled.sum() < 1.1 * hull.sum()


def test_directions_are_unit_vectors_all_around():
    directions = spread_directions()
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1)
    np.testing.assert_allclose(directions.mean(0), 0, atol=0.01)
    nearest = (directions @ directions.T - 2 * np.eye(len(directions))).max(1)
    assert np.rad2deg(np.arccos(nearest)).max() < 20


def test_a_transform_is_read_as_it_was_written(tmp_path):
    gamma = Gamma(ball(), ball(radius=4), ball(radius=4).astype(np.float32))
    gamma.save(tmp_path / "one.npz")
    again = Gamma.load(tmp_path / "one.npz")
    np.testing.assert_array_equal(again.hull, gamma.hull)
    np.testing.assert_array_equal(again.masked_brain, gamma.masked_brain)
    (tmp_path / "one.npz").write_bytes(b"PK broken")
    with pytest.raises(DamagedError, match="one.npz"):
        Gamma.load(tmp_path / "one.npz")
