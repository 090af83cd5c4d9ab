from dataclasses import replace

import pytest
import torch
from deid.small_heads import SHAPES, make_heads, scales_of

from privessel.deid.blocks import InvertedResidual, PixelNorm
from privessel.deid.networks import Discriminator, Generator
from privessel.deid.shape import HeadGanShape


def draw(seed=0):
    return torch.Generator().manual_seed(seed)


def make(name, *, seed=0):
    shape = SHAPES[name]
    scales = scales_of(make_heads(size=shape.size), shape)
    generator = Generator(shape, generator=draw(seed))
    return shape, scales, generator, generator(scales, generator.draw(5, draw(1)))


@pytest.mark.parametrize("name", SHAPES)
def test_heads_have_one_channel_at_every_scale_down_to_four_voxels(name):
    shape, _, _, made = make(name)
    sides = [shape.size // 2**k for k in range(shape.scales)]
    assert sides[-1] == 4
    assert [tuple(image.shape) for image in made] == [(5, 1, side, side, side) for side in sides]
    assert all(image.abs().max() <= 1 for image in made)


@pytest.mark.parametrize("name", SHAPES)
def test_the_brain_of_a_fake_is_the_originals_bit_for_bit_and_outside_the_hull_is_air(name):
    _, scales, _, made = make(name)
    hull, brain, inside = (scales[0].gamma[:, k] for k in range(3))
    image = made[0][:, 0]
    assert torch.equal(image[brain == 1], inside[brain == 1])
    assert (image[(hull == 0) & (brain == 0)] == -1).all()
    assert image[(hull == 1) & (brain == 0)].std() > 0.01


@pytest.mark.parametrize("name", SHAPES)
def test_a_score_belongs_to_one_head_and_follows_every_scale_and_gamma(name):
    shape, scales, _, made = make(name)
    discriminator = Discriminator(shape, generator=draw(2))
    scores = discriminator(made, scales)
    assert scores.shape == (5,)
    alone = discriminator([image[:1] for image in made], [type(s)(*(part[:1] for part in s)) for s in scales])
    assert torch.allclose(alone, scores[:1], atol=1e-5)
    for k in range(shape.scales):
        other = [image + 0.1 * (j == k) for j, image in enumerate(made)]
        assert not torch.allclose(discriminator(other, scales), scores, atol=1e-6)
        told = [s._replace(gamma=1 - s.gamma) if j == k else s for j, s in enumerate(scales)]
        assert not torch.allclose(discriminator(made, told), scores, atol=1e-6)


@pytest.mark.parametrize("name", SHAPES)
def test_every_weight_has_a_gradient(name):
    """Gradients pass through all scales at once, which is what a multi-scale GAN is for."""
    shape, scales, generator, made = make(name)
    discriminator = Discriminator(shape, generator=draw(2))
    discriminator(made, scales).sum().backward()
    for network in (generator, discriminator):
        assert all(parameter.grad.abs().max() > 0 for parameter in network.parameters())


@pytest.mark.parametrize("name", SHAPES)
def test_weights_follow_from_the_generator_of_random_numbers_alone(name):
    torch.manual_seed(1)
    first = make(name)[2].state_dict()
    torch.manual_seed(2)
    again, other = make(name)[2].state_dict(), make(name, seed=5)[2].state_dict()
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


def test_untrained_heads_are_near_the_mean_head_they_start_from():
    shape, scales, generator, _ = make("plain with place")
    mean = torch.linspace(-0.8, 0.8, 8)[:, None, None].expand(8, 8, 8)
    generator.start_from(mean)
    with torch.no_grad():
        made = generator(scales, generator.draw(5, draw(1)))[0]
    free = (scales[0].room > 0) & (scales[0].brain == 0)
    assert (made - mean)[free].abs().mean() < 0.1
    assert (made + mean)[free].abs().mean() > 0.3


def test_features_are_scaled_to_a_root_mean_square_of_one():
    features = 7 * torch.randn(2, 6, 3, 3, 3, generator=draw())
    assert torch.allclose(PixelNorm()(features).square().mean(1), torch.ones(2, 3, 3, 3), atol=1e-4)


def test_weights_start_from_hes_distribution():
    generator = Generator(replace(SHAPES["plain with place"], generator_widths=(48, 3)), generator=draw())
    layer = generator.bodies[0][3]  # 48 channels, 3 x 3 x 3 voxels
    assert layer.weight.std().item() == pytest.approx((2 / (1 + 0.2**2) / (48 * 27)) ** 0.5, rel=0.02)
    assert (layer.bias == 0).all()


def test_an_inverted_residual_adds_its_input_and_halves_with_a_stride():
    block = InvertedResidual(3, 3)
    for parameter in block.parameters():
        torch.nn.init.zeros_(parameter)
    features = torch.randn(1, 3, 4, 4, 4, generator=draw())
    assert torch.equal(block(features), features)
    assert InvertedResidual(3, 5, stride=2)(features).shape == (1, 5, 2, 2, 2)


def test_mobile_blocks_have_fewer_weights_than_plain_ones():
    counts = {}
    for blocks in ("mobile", "plain"):
        shape = HeadGanShape(
            size=32, blocks=blocks, generator_widths=(48, 48, 32, 24), discriminator_widths=(4,) * 4, noise=1,
            place=True,
        )  # fmt: skip
        counts[blocks] = sum(p.numel() for p in Generator(shape, generator=draw()).parameters())
    assert counts["mobile"] < 0.7 * counts["plain"]


def test_the_papers_networks_make_heads_from_4_to_128_voxels():
    shape = HeadGanShape(
        size=128, blocks="mobile", generator_widths=(64, 64, 32, 16, 16, 8), discriminator_widths=(4,) * 6,
        noise=0, place=False,
    )  # fmt: skip
    assert shape.scales == 6
    generator = Generator(shape, generator=draw())
    assert [tuple(part.shape[2:]) for part in generator.draw(1, draw())] == [
        (side,) * 3 for side in (2, 4, 8, 16, 32, 64, 128)
    ]
    assert [layer.out_channels for layer in generator.images] == [1] * 6


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 12}, "power of two"),
        ({"size": 4}, "at least 8"),
        ({"generator_widths": (4, 3, 2)}, "generator_widths must have 2 positive numbers"),
        ({"discriminator_widths": (4, 0)}, "discriminator_widths must have 2 positive numbers"),
        ({"blocks": "dense"}, "blocks must be one of mobile, plain"),
        ({"noise": -1}, "noise"),
    ],
)
def test_a_form_that_cannot_be_built_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        HeadGanShape(**{**vars(SHAPES["plain with place"]), **change})
