"""The nets have the paper's form at every size, and the cheap doubling convolution is the published one."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from privessel.gan.nets import Critic, DoubledConv2d, GanShape, Generator, initialise

torch.set_num_threads(1)

PAPER = {
    "patch": 96,
    "latent": 128,
    "generator_width": 96,
    "critic_width": 96,
    "generator_norm": "batch",
    "critic_norm": "instance",
    "upsampling": "nearest",
    "noise_map": False,
}


def shape(**changes):
    return GanShape(**{**PAPER, "latent": 5, "generator_width": 2, "critic_width": 2, **changes})


def drawn(*size, seed=0):
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


def layers(net, *kinds):
    return [layer for layer in net.modules() if isinstance(layer, kinds)]


def test_the_paper_s_generator_is_one_linear_layer_and_six_convolutions_from_16w_to_2_channels():
    with torch.device("meta"):
        net = Generator(GanShape(**PAPER))
    (linear,) = layers(net, nn.Linear)
    assert (linear.in_features, linear.out_features) == (128, 3 * 3 * 16 * 96)
    weights = [tuple(layer.weight.shape) for layer in layers(net, DoubledConv2d)]
    widths = [16 * 96, 16 * 96, 8 * 96, 4 * 96, 2 * 96, 96, 2]
    assert weights == [(b, a, 5, 5) for a, b in zip(widths, widths[1:], strict=False)]
    assert net(torch.empty(1, 128, device="meta")).shape == (1, 2, 96, 96)


def test_the_paper_s_critic_is_six_strided_convolutions_of_25_million_weights():
    with torch.device("meta"):
        net = Critic(GanShape(**PAPER))
    convolutions = layers(net, nn.Conv2d)
    assert [layer.out_channels for layer in convolutions] == [96, 192, 384, 768, 1536, 1]
    assert {(layer.kernel_size, layer.stride) for layer in convolutions} == {((4, 4), (2, 2))}
    # The noise norm sigma sqrt(d) is 5,010 at this width and sigma 1.
    assert sum(p.numel() for p in net.parameters()) ** 0.5 == pytest.approx(5010, abs=5)
    assert not [name for name, _ in net.named_parameters() if "bias" in name]
    assert not any(list(norm.parameters()) + list(norm.buffers()) for norm in layers(net, nn.InstanceNorm2d))


@pytest.mark.parametrize("patch", [24, 32, 48, 64, 96])
@pytest.mark.parametrize("upsampling", ["nearest", "transposed"])
@pytest.mark.parametrize("noise_map", [False, True])
def test_every_patch_size_gives_pairs_of_that_size_and_one_score_each(patch, upsampling, noise_map):
    form = shape(patch=patch, upsampling=upsampling, noise_map=noise_map)
    pairs = Generator(form)(drawn(3, form.inputs))
    assert pairs.shape == (3, 2, patch, patch)
    assert pairs.abs().max() <= 1
    assert Critic(form)(pairs).shape == (3,)


@pytest.mark.parametrize("patch", [0, 3, 5, 20, 36, 50, 100, -96])
def test_a_size_that_cannot_be_built_is_refused_with_those_that_can(patch):
    with pytest.raises(ValueError, match=f"patches of {patch} pixels.*such as 24, 32, 48, 64, 96"):
        shape(patch=patch)


@pytest.mark.parametrize(
    "wrong",
    [{"upsampling": "bilinear"}, {"generator_norm": "layer"}, {"critic_norm": "layer"}, {"latent": 0}],
)
def test_an_unknown_choice_is_refused_by_name(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        shape(**wrong)


@pytest.mark.parametrize("stride", [1, 2])
def test_convolution_on_the_small_grid_equals_doubling_then_convolution(stride):
    layer = DoubledConv2d(3, 4, stride=stride)
    x = drawn(2, 3, 5, 7).requires_grad_()
    published = functional.conv2d(functional.interpolate(x, scale_factor=2), layer.weight, None, stride, 2)
    ours = layer(x)
    torch.testing.assert_close(ours, published, atol=1e-6, rtol=1e-5)
    towards = drawn(*ours.shape, seed=1)
    for mine, theirs in zip(
        torch.autograd.grad((ours * towards).sum(), [x, layer.weight]),
        torch.autograd.grad((published * towards).sum(), [x, layer.weight]),
        strict=True,
    ):
        torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("norm", ["instance", "none"])
def test_a_score_depends_on_its_own_pair_alone(norm):
    critic = Critic(shape(patch=24, critic_norm=norm))
    pairs = drawn(3, 2, 24, 24).requires_grad_()
    (gradient,) = torch.autograd.grad(critic(pairs)[1], pairs)
    assert gradient[1].abs().sum() > 0
    assert gradient[[0, 2]].abs().sum() == 0


def test_a_critic_without_norms_has_biases_on_its_hidden_layers_only():
    critic = Critic(shape(critic_norm="none"))
    assert [layer.bias is not None for layer in layers(critic, nn.Conv2d)] == [True] * 5 + [False]


def test_group_norm_makes_a_pair_independent_of_its_batch_and_batch_norm_does_not():
    latent = drawn(4, 5)
    for norm, independent in (("group", True), ("batch", False)):
        net = Generator(shape(patch=24, generator_norm=norm))
        alone, together = net(latent[:2]), net(latent)[:2]
        assert torch.allclose(alone, together, atol=1e-6) == independent


@pytest.mark.parametrize(("upsampling", "radius"), [("nearest", 2), ("transposed", 3)])
def test_a_number_of_the_noise_map_moves_the_pixels_around_its_own_and_no_others(upsampling, radius):
    form = shape(patch=24, upsampling=upsampling, noise_map=True)
    net = Generator(form).eval()
    inputs = drawn(1, form.inputs)
    moved = inputs.clone()
    row, column = form.noise_side // 2, form.noise_side // 4
    moved[0, form.latent + row * form.noise_side + column] += 1
    change = (net(moved) - net(inputs)).detach()[0].abs().amax(0)
    rows, columns = torch.nonzero(change, as_tuple=True)
    scale = form.patch // form.noise_side
    assert len(rows) > 0
    assert (rows - row * scale).abs().max() <= radius
    assert (columns - column * scale).abs().max() <= radius


def test_without_a_noise_map_the_latent_vector_is_all_a_generator_takes():
    form = shape(patch=24)
    assert form.inputs == form.latent == 5
    assert not [name for name, _ in Generator(form).named_parameters() if "noise" in name]


@pytest.mark.parametrize("critic_norm", ["instance", "none"])
def test_weights_follow_from_the_given_generator_alone(critic_norm):
    nets = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        critic = Critic(shape(patch=24, critic_norm=critic_norm))
        initialise(critic, torch.Generator().manual_seed(7), largest=1.0)
        nets.append(critic.state_dict())
    assert all(torch.equal(nets[0][name], nets[1][name]) for name in nets[0])
    first = nets[0]["layers.0.weight"]
    assert 0.9 / 32**0.5 < first.abs().max() <= 1 / 32**0.5


def test_weights_that_will_be_clipped_start_spread_over_their_bounds_and_not_on_them():
    critic = Critic(shape(patch=24, critic_width=8))
    initialise(critic, torch.Generator().manual_seed(7), largest=0.01)
    for parameter in (p for p in critic.parameters() if p.dim() > 1):
        assert parameter.abs().max() <= 0.01
        assert parameter.detach().std() == pytest.approx(0.01 / 3**0.5, rel=0.15)
