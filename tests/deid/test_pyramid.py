import numpy as np
import pytest
import torch
from deid.small_heads import make_heads

from privessel.deid.pyramid import BRAIN, HULL, INSIDE, halve_gamma, halve_images, keep_known, pool
from privessel.deid.training_heads import make_gamma


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


def test_images_are_halved_by_the_mean_of_cells_of_two_voxels_a_side():
    volume = torch.arange(2 * 4**3, dtype=torch.float32).reshape(1, 2, 4, 4, 4)
    cells = volume.numpy().reshape(1, 2, 2, 2, 2, 2, 2, 2)
    assert np.array_equal(pool(volume).numpy(), cells.mean((3, 5, 7)))


def test_a_drawn_volume_is_binary_and_has_the_means_as_its_expectation():
    rng = np.random.default_rng(1)
    volume = torch.from_numpy((rng.random((1, 1, 4, 4, 4)) < rng.random((1, 1, 4, 4, 4))).astype(np.float32))
    generator, draws = draw(), 4000
    drawn = torch.stack([pool(volume, draw=generator) for _ in range(draws)])
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    means = pool(volume)
    # Five standard errors: of 8 cells none is farther off by chance.
    bound = 5 * (means * (1 - means) / draws).sqrt()
    assert ((drawn.mean(0) - means).abs() <= bound).all()
    assert (means * (1 - means)).max() > 0.2  # some cells are left to chance


def test_cells_of_one_kind_are_never_left_to_chance():
    volume = torch.zeros(1, 1, 4, 4, 4)
    volume[..., :2] = 1
    assert torch.equal(pool(volume, draw=draw()), pool(volume))


def gamma_of(heads):
    rows = [make_gamma(*row) for row in zip(heads.images, heads.hulls, heads.brains, strict=True)]
    return torch.stack([image for image, _ in rows]), torch.stack([gamma for _, gamma in rows])


def test_gamma_at_every_scale_is_binary_where_it_should_be_and_averaged_where_not():
    _, gamma = gamma_of(make_heads(size=16))
    scales = halve_gamma(gamma, 3, draw=draw())
    assert [scale.gamma.shape[1:] for scale in scales] == [(3, s, s, s) for s in (16, 8, 4)]
    for scale in scales:
        assert set(scale.gamma[:, [HULL, BRAIN]].unique().tolist()) <= {0.0, 1.0}
    assert torch.equal(scales[2].gamma[:, INSIDE:], pool(pool(gamma[:, INSIDE:])))


def test_masks_of_what_is_known_follow_from_the_finest_scale_without_chance():
    _, gamma = gamma_of(make_heads(size=16))
    one, other = (halve_gamma(gamma, 3, draw=draw(seed)) for seed in (0, 1))
    assert not all(torch.equal(a.gamma, b.gamma) for a, b in zip(one, other, strict=True))
    for k, (a, b) in enumerate(zip(one, other, strict=True)):
        assert torch.equal(a.brain, b.brain)
        assert torch.equal(a.room, b.room)
        cells = torch.nn.functional.avg_pool3d(gamma, 2**k)
        assert torch.equal(a.brain[:, 0] == 1, cells[:, BRAIN] == 1)
        assert torch.equal(a.room[:, 0] == 1, (cells[:, HULL] > 0) | (cells[:, BRAIN] > 0))


@pytest.mark.parametrize("scales", [1, 2, 3])
def test_what_is_known_of_a_fake_is_at_each_scale_what_the_original_shows_to_the_last_bit(scales):
    """Else a discriminator could tell fakes by these voxels alone, and the generator could not answer."""
    images, gamma = gamma_of(make_heads(size=16))
    pyramid = halve_gamma(gamma, scales, draw=draw())
    originals = halve_images(keep_known(images, pyramid[0]), scales)
    for original, scale in zip(originals, pyramid, strict=True):
        known = (scale.brain > 0) | (scale.room == 0)
        fake = keep_known(torch.randn(original.shape, generator=draw(3)).clamp(-1, 1), scale)
        assert known.any()
        assert torch.equal(fake[known], original[known])
        assert not torch.equal(fake, original)


def test_a_brain_that_sticks_out_of_its_hull_is_kept():
    _, gamma = gamma_of(make_heads())
    gamma[:, HULL] = 0
    scale = halve_gamma(gamma, 1, draw=draw())[0]
    kept = keep_known(torch.zeros(len(gamma), 1, 8, 8, 8), scale)
    brain = gamma[:, BRAIN : BRAIN + 1] > 0
    assert torch.equal(kept[brain], gamma[:, INSIDE:][brain])
    assert (kept[~brain] == -1).all()
