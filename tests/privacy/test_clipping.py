"""Book-keeping gives the clipped sum that per-sample gradients give, and refuses what it cannot bound."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, vmap

from privessel.errors import PrivacyError
from privessel.gan.nets import Critic, GanShape
from privessel.privacy import clipping, layers, norms
from privessel.privacy.clipping import BookKeeping, Bound, OpacusClipping
from privessel.privacy.layers import check_layers
from privessel.privacy.norms import cheapest_route

torch.set_num_threads(1)

TOLERANCE = 1e-5  # of the sum's norm, in float32


def shape(**changes):
    given = {"patch": 24, "latent": 4, "generator_width": 2, "critic_width": 3, "generator_norm": "batch"}
    given |= {"critic_norm": "instance", "upsampling": "nearest", "noise_map": False}
    return GanShape(**given | changes)


def drawn(*size, seed=0):
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


class Flat(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x):
        return self.layers(x).flatten(1).sum(1)


def random_critic(seed):
    """A random stack of convolutions and linear layers, and inputs for it."""
    rng = np.random.default_rng(seed)
    torch.manual_seed(seed)
    channels, size = int(rng.integers(1, 4)), [int(rng.integers(7, 14)), int(rng.integers(7, 14))]
    inputs, layers = (int(rng.integers(1, 8)), channels, *size), []
    for _ in range(int(rng.integers(1, 4))):
        kernel = [int(rng.integers(1, min(5, side) + 1)) for side in size]
        stride, padding = rng.integers(1, 4, 2).tolist(), [int(rng.integers(0, k)) for k in kernel]
        wide = int(rng.integers(1, 7))
        bias = bool(rng.integers(2))
        layers.append(nn.Conv2d(channels, wide, tuple(kernel), tuple(stride), tuple(padding), bias=bias))
        size = [(n + 2 * p - k) // s + 1 for n, p, k, s in zip(size, padding, kernel, stride, strict=True)]
        channels = wide
        if size[0] * size[1] > 1:
            layers += [[nn.InstanceNorm2d(wide)], []][int(rng.integers(2))]
        layers.append(nn.LeakyReLU(0.2))
    if rng.integers(2):
        layers.append(
            nn.Linear(size[1], 3, bias=bool(rng.integers(2)))
        )  # on rows: several positions a sample
    if rng.integers(2):
        layers += [nn.Flatten(), nn.LazyLinear(2)]
    critic = Flat(*layers)
    critic(torch.zeros(inputs))
    return critic, torch.randn(inputs) * 3


def per_sample_gradients(critic, pairs, signs):
    """The oracle, by torch.func in float64: a list of (n, ...) in the parameters' order."""
    critic, pairs, signs = copy.deepcopy(critic).double(), pairs.double(), signs.double()

    def score(parameters, pair, sign):
        return sign * functional_call(critic, parameters, (pair[None],))[0]

    parameters = {name: p.detach() for name, p in critic.named_parameters()}
    return list(vmap(grad(score), in_dims=(None, 0, 0))(parameters, pairs, signs).values())


def clipped_sum(samples, norm):
    sizes = torch.stack([each.flatten(1).norm(dim=1) for each in samples]).norm(dim=0)
    factors = (norm / sizes).clamp(max=1.0)
    return [torch.tensordot(factors, each, dims=1) for each in samples]


def hold_little(monkeypatch):
    """Make several pieces of every batch."""
    unfold = layers.unfold_inputs
    for module in (clipping, norms):
        monkeypatch.setattr(
            module, "unfold_inputs", lambda layer, x, group, held=0: unfold(layer, x, group, held=4000)
        )


def assert_close(ours, oracle):
    assert [each.shape for each in ours] == [each.shape for each in oracle]
    ours, oracle = (torch.cat([each.flatten().double() for each in sums]) for sums in (ours, oracle))
    assert (ours - oracle).norm() <= TOLERANCE * oracle.norm()


@pytest.mark.parametrize("stored", [0, 64, 1e9], ids=["stored", "cheapest", "gram"])
@pytest.mark.parametrize("seed", range(12))
def test_clipped_sum_of_a_random_net_equals_torch_func_by_either_route(seed, stored, monkeypatch):
    critic, pairs = random_critic(seed)
    signs = torch.where(torch.arange(len(pairs)) % 3 == 1, 1.0, -1.0)
    samples = per_sample_gradients(critic, pairs, signs)
    sizes = torch.stack([each.flatten(1).norm(dim=1) for each in samples]).norm(dim=0)
    monkeypatch.setattr(norms, "STORED", stored)
    hold_little(monkeypatch)
    engine = BookKeeping(critic)
    for norm in (sizes.median().item(), 0.5 * sizes.min().item(), 2 * sizes.max().item()):
        sums = engine.sums(pairs, signs, Bound(norm))
        assert_close(sums, clipped_sum(samples, norm))


@pytest.mark.parametrize("seed", range(4))
def test_clipped_sum_of_a_random_net_equals_opacus(seed):
    critic, pairs = random_critic(seed)
    signs = -torch.ones(len(pairs))
    for norm in (0.3, 30.0):
        ours = BookKeeping(critic).sums(pairs, signs, Bound(norm))
        opacus = OpacusClipping(critic).sums(pairs, signs, Bound(norm))
        assert_close(ours, opacus)


@pytest.mark.parametrize("engine", [BookKeeping, OpacusClipping])
@pytest.mark.parametrize("norm", ["instance", "none"])
@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_the_critic_s_clipped_sum_equals_torch_func_however_it_lies_in_memory(engine, norm, memory):
    torch.manual_seed(3)
    critic = Critic(shape(critic_width=5, critic_norm=norm))
    pairs, signs = drawn(7, 2, 24, 24), torch.tensor([-1.0] * 4 + [1.0] * 3)
    oracle = clipped_sum(per_sample_gradients(critic, pairs, signs), 0.01)
    laid = critic.to(memory_format=memory), pairs.to(memory_format=memory)
    assert_close(engine(laid[0]).sums(laid[1], signs, Bound(0.01)), oracle)


@pytest.mark.parametrize("engine", [BookKeeping, OpacusClipping])
@pytest.mark.parametrize("stored", [0, 64, 1e9], ids=["stored", "cheapest", "gram"])
@pytest.mark.parametrize("seed", range(6))
def test_gradients_are_clipped_around_a_centre(seed, stored, engine, monkeypatch):
    monkeypatch.setattr(norms, "STORED", stored)
    critic, pairs = random_critic(seed)
    signs = torch.where(torch.arange(len(pairs)) % 3 == 1, 1.0, -1.0)
    samples = per_sample_gradients(critic, pairs, signs)
    centre = [each.mean(0) + 0.3 * torch.randn(each.shape[1:], dtype=float) for each in samples]
    around = [each - c for each, c in zip(samples, centre, strict=True)]
    sizes = torch.stack([each.flatten(1).norm(dim=1) for each in around]).norm(dim=0)
    for norm in (sizes.median().item(), 0.5 * sizes.min().item(), 2 * sizes.max().item()):
        found = engine(critic).sums(pairs, signs, Bound(norm, centre=[c.float() for c in centre]))
        assert_close(found, clipped_sum(around, norm))


@pytest.mark.parametrize("engine", [BookKeeping, OpacusClipping])
@pytest.mark.parametrize("stored", [0, 64, 1e9], ids=["stored", "cheapest", "gram"])
@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_a_patient_s_patches_are_summed_before_the_one_clip(seed, centred, stored, engine, monkeypatch):
    """Against brute force: every patch's gradient by itself, added up patient by patient."""
    monkeypatch.setattr(norms, "STORED", stored)
    hold_little(monkeypatch)
    critic, pairs = random_critic(seed)
    group = 3
    pairs = torch.cat([pairs, 2 * pairs.flip(0), -pairs, pairs.roll(1, 0)])[: group * 4]
    pairs = pairs[: len(pairs) // group * group]
    signs = torch.where(torch.arange(len(pairs)) % 4 == 1, 0.5, -1.0)
    samples = per_sample_gradients(critic, pairs, signs)
    patients = [
        torch.stack([each[first : first + group].sum(0) for first in range(0, len(pairs), group)])
        for each in samples
    ]
    centre = [each.mean(0) + 0.3 * torch.randn(each.shape[1:], dtype=float) for each in patients]
    if centred:
        patients = [each - c for each, c in zip(patients, centre, strict=True)]
    given = {"centre": [c.float() for c in centre] if centred else None, "group": group}
    sizes = torch.stack([each.flatten(1).norm(dim=1) for each in patients]).norm(dim=0)
    for norm in (sizes.median().item(), 0.5 * sizes.min().item(), 2 * sizes.max().item()):
        found = engine(critic).sums(pairs, signs, Bound(norm, **given))
        assert_close(found, clipped_sum(patients, norm))


@pytest.mark.parametrize("engine", [BookKeeping, OpacusClipping])
@pytest.mark.parametrize("group", [0, 3])
def test_half_a_unit_is_refused(engine, group):
    with pytest.raises(ValueError, match=f"4 samples are not whole units of {group}"):
        engine(Critic(shape())).sums(drawn(4, 2, 24, 24), torch.ones(4), Bound(1, group=group))


@pytest.mark.parametrize("stored", [0, 1e9], ids=["stored", "gram"])
def test_a_gradient_at_its_centre_counts_for_nothing_and_one_within_rounding_of_it_for_less_than_the_norm(
    stored, monkeypatch
):
    monkeypatch.setattr(norms, "STORED", stored)
    critic, pair = Critic(shape()), drawn(1, 2, 24, 24)
    centre = [each[0] for each in per_sample_gradients(critic, pair, torch.ones(1))]
    found = BookKeeping(critic).sums(pair, torch.ones(1), Bound(1e-9, centre=[c.float() for c in centre]))
    assert torch.cat([each.flatten() for each in found]).norm() < 1.01e-9


def test_a_gradient_that_cancels_over_positions_cannot_pass_for_smaller_than_it_is(monkeypatch):
    """Two positions whose gradients are 10,000 times the clipping norm and cancel but for three of them."""

    class Opposed(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(2, 1, 1, bias=False)

        def forward(self, x):
            return (self.layer(x) * torch.tensor([1.0, -1.0])).sum((1, 2, 3))

    pair = torch.tensor([[[[7010.0, 7007.0]], [[7010.0, 7010.0]]]])
    for stored in (0, 1e9):
        monkeypatch.setattr(norms, "STORED", stored)
        (found,) = BookKeeping(Opposed()).sums(pair, torch.ones(1), Bound(1.0))
        # What is left of the bounded sum is off by float32's rounding of the parts that cancel.
        assert found.norm() == pytest.approx(1.0, rel=10_000 * 2**-24)


def test_both_routes_are_taken_by_the_paper_s_critic():
    with torch.device("meta"):
        critic = Critic(shape(patch=96, critic_width=96))
        layers = [layer for layer in critic.modules() if isinstance(layer, nn.Conv2d)]
        sides = (48, 24, 12, 6, 3, 1)
        routes = [
            cheapest_route(layer, torch.empty(1, layer.out_channels, side**2))
            for layer, side in zip(layers, sides, strict=True)
        ]
    assert routes == ["stored"] * 2 + ["gram"] * 4


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_no_sample_contributes_more_than_the_clipping_norm_and_a_small_one_all_it_has(scale):
    critic = Critic(shape(critic_width=5, critic_norm="none"))
    engine = BookKeeping(critic)
    for pair in drawn(5, 2, 24, 24) * scale:
        sums = engine.sums(pair[None], torch.ones(1), Bound(1.0))
        whole = torch.cat(
            [e.flatten() for e in per_sample_gradients(critic, pair[None], torch.ones(1))]
        ).norm()
        norm = torch.cat([each.flatten() for each in sums]).norm()
        assert norm == pytest.approx(min(1.0, whole.item()), rel=1e-5)
        assert norm <= 1 + 1e-6


def test_a_call_does_not_depend_on_the_calls_before_it():
    critic = Critic(shape(critic_width=5, critic_norm="instance"))
    pairs, signs = drawn(9, 2, 24, 24), torch.ones(9)
    engine = BookKeeping(critic)
    for n in (9, 2, 5):
        fresh = BookKeeping(critic).sums(pairs[:n], signs[:n], Bound(1.0))
        again = engine.sums(pairs[:n], signs[:n], Bound(1.0))
        assert all(torch.equal(a, b) for a, b in zip(fresh, again, strict=True))


@pytest.mark.parametrize("engine", [BookKeeping, OpacusClipping])
def test_a_call_leaves_nothing_in_the_critic(engine):
    critic = Critic(shape(critic_width=3, critic_norm="none"))
    clean = copy.deepcopy(critic)
    engine(critic).sums(drawn(4, 2, 24, 24), torch.ones(4), Bound(1.0))
    for module, before in zip(critic.modules(), clean.modules(), strict=True):
        assert vars(module).keys() == vars(before).keys()
        assert not module._forward_hooks
        assert not module._backward_hooks
    for parameter, before in zip(critic.parameters(), clean.parameters(), strict=True):
        assert parameter.grad is None
        assert torch.equal(parameter, before)
        assert vars(parameter).get("grad_sample") is None


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
        self.two.weight = self.one.weight


class Bare(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(3))


REFUSED = {
    "mixes samples": nn.BatchNorm2d(3, affine=False, track_running_stats=False),
    "1 .BatchNorm2d": nn.BatchNorm2d(3),
    "1 .InstanceNorm2d.*state": nn.InstanceNorm2d(3, track_running_stats=True),
    "1 .InstanceNorm2d.*parameters": nn.InstanceNorm2d(3, affine=True),
    "1 .GroupNorm": nn.GroupNorm(1, 3),
    "1 .LayerNorm": nn.LayerNorm(3),
    "1 .PReLU": nn.PReLU(),
    "1 .Conv1d": nn.Conv1d(3, 3, 1),
    "1 .ConvTranspose2d": nn.ConvTranspose2d(3, 3, 1),
    "1 .Bilinear": nn.Bilinear(3, 3, 1),
    "groups": nn.Conv2d(4, 4, 1, groups=2),
    "dilation": nn.Conv2d(3, 3, 2, dilation=2),
    "padding": nn.Conv2d(3, 3, 3, padding=1, padding_mode="reflect"),
    "1 .Conv2d.*padding": nn.Conv2d(3, 3, 3, padding="same"),
    "shares a parameter with 1.one": Shared(),
    "1 .Bare": Bare(),
    "float64": nn.Linear(3, 3).double(),
    "bfloat16": nn.Linear(3, 3).bfloat16(),
    "1 .ParametrizedLinear": nn.utils.parametrizations.spectral_norm(nn.Linear(3, 3)),
    "1 .Embedding": nn.Embedding(3, 3),
}


@pytest.mark.parametrize("message", REFUSED)
@pytest.mark.parametrize("engine", [BookKeeping, OpacusClipping])
def test_a_layer_that_cannot_be_bounded_is_refused_by_name(engine, message):
    with pytest.raises(PrivacyError, match=message):
        engine(nn.Sequential(nn.Conv2d(2, 3, 1), REFUSED[message]))


def test_layers_without_parameters_are_accepted():
    check_layers(
        nn.Sequential(nn.Conv2d(2, 3, 1), nn.InstanceNorm2d(3), nn.Tanh(), nn.Dropout(), nn.Flatten())
    )


def test_a_layer_used_twice_or_never_is_refused_by_name():
    layer = nn.Conv2d(2, 2, 1)
    idle = nn.Sequential(nn.Conv2d(2, 2, 1))
    idle.add_module("spare", nn.Linear(2, 2))
    idle.forward = lambda x: idle[0](x)
    for critic, name in ((Flat(layer, nn.ReLU(), layer), "layers.0"), (Flat(idle), "layers.0.spare")):
        with pytest.raises(PrivacyError, match=f"{name} .*exactly once"):
            BookKeeping(critic).sums(drawn(3, 2, 4, 4), torch.ones(3), Bound(1.0))


def test_parallel_branches_are_clipped_together():
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.left, self.right = nn.Conv2d(2, 3, 3), nn.Conv2d(2, 3, 3, bias=False)
            self.top = nn.Linear(3, 1)

        def forward(self, x):
            return self.top((self.left(x) * self.right(x).tanh()).mean((2, 3))).flatten()

    torch.manual_seed(0)
    critic, pairs, signs = Branches(), drawn(6, 2, 7, 7), -torch.ones(6)
    sums = BookKeeping(critic).sums(pairs, signs, Bound(0.3))
    assert_close(sums, clipped_sum(per_sample_gradients(critic, pairs, signs), 0.3))
