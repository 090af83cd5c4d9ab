"""Gammas made larger and smaller, and the heads made of them."""

import numpy as np
import pytest
from deid.small_heads import SHAPE, TRAINING, make_heads

from privessel.deid.gamma import Gamma
from privessel.deid.loop import train
from privessel.deid.scaled import scale_heads
from privessel.deid.scaling import MEASURED, measure_scaled, scale_gamma
from privessel.errors import PrivacyError

FACTORS = (0.85, 1.0, 1.15)


def gamma(side=32, grey=0.7):
    """A ball of brain with one grey value, in a larger ball of hull; both fit at every factor."""
    radius = np.sqrt(((np.mgrid[:side, :side, :side] - (side - 1) / 2) ** 2).sum(0)) / side
    hull, brain = radius < 0.4, radius < 0.25
    return Gamma(hull, brain, np.where(brain, grey, 0).astype(np.float32))


def test_a_factor_of_1_changes_nothing():
    same = scale_gamma(gamma(), 1.0)
    for name in ("hull", "brain", "masked_brain"):
        np.testing.assert_array_equal(getattr(same, name), getattr(gamma(), name))


@pytest.mark.parametrize("factor", [0.75, 0.85, 1.125, 1.15])
def test_volumes_follow_the_cube_of_the_factor_and_grey_values_stay(factor):
    scaled, whole = scale_gamma(gamma(64), factor), gamma(64)
    used = np.floor(64 * factor) / 64
    assert scaled.hull.shape == (64,) * 3
    assert scaled.hull.sum() == pytest.approx(used**3 * whole.hull.sum(), rel=0.03)
    assert scaled.brain.sum() == pytest.approx(used**3 * whole.brain.sum(), rel=0.03)
    assert np.ptp(scaled.masked_brain[scaled.brain]) < 1e-6
    assert not scaled.masked_brain[~scaled.brain].any()
    assert np.argwhere(scaled.brain).mean(0) == pytest.approx([31.5] * 3, abs=0.51)
    assert (scaled.hull | ~scaled.brain).all()


def test_what_reaches_over_the_border_is_cut_off():
    side = 16
    full = Gamma(np.ones((side,) * 3, bool), np.ones((side,) * 3, bool), np.ones((side,) * 3, np.float32))
    assert scale_gamma(full, 1.5).hull.all()
    assert scale_gamma(full, 0.5).hull.sum() == 8**3


def test_measured_volumes_are_in_millilitres_and_a_failed_extraction_is_0():
    volumes, pairs = measure_scaled(gamma(), FACTORS, lambda one: 0.5 * one.hull, voxel=8.0)
    assert volumes.shape == (3, len(MEASURED))
    assert volumes[1, 0] == gamma().brain.sum() * 0.512
    assert volumes[1, 2] == volumes[1, 1]
    assert (volumes[:, 3] == 0).all()
    assert [one.brain.sum() * 0.512 for one, _ in pairs] == volumes[:, 0].tolist()


def test_with_a_gan_heads_are_its_own_and_nobody_s_who_took_part_in_its_training(tmp_path):
    heads = make_heads()
    trained, _ = train(heads, shape=SHAPE, training=TRAINING, seed=1, resume=tmp_path, beat=lambda: None)
    trained.save(tmp_path / "gan.pt")
    Gamma(heads.hulls[0], heads.brains[0], np.where(heads.brains[0], heads.images[0], 0)).save(
        tmp_path / "g.npz"
    )
    settings = {"gans": {0: tmp_path / "gan.pt"}, "factors": FACTORS, "voxel": 32.0, "seed": 3}
    _, shown = scale_heads([{"fold": 0, "known_as": "new"}], [tmp_path / "g.npz"], **settings)
    for scaled, head in shown:
        np.testing.assert_array_equal(head[scaled.brain], scaled.masked_brain[scaled.brain])
        assert not head[~scaled.hull].any()
    _, filled = scale_heads([{}], [tmp_path / "g.npz"], **settings | {"gans": {}})
    assert (filled[1][1] != shown[1][1]).any()
    with pytest.raises(PrivacyError, match="p0"):
        scale_heads([{"fold": 0, "known_as": "p0"}], [tmp_path / "g.npz"], **settings)
