"""One step of a private U-Net: what one unit can move, what the engines compute, and what is refused."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from private_unet.ward import TRAINING, a_start, some_data
from torch import nn
from torch.func import functional_call, grad, vmap

from privessel.audit.canaries import NoNoise
from privessel.errors import PrivacyError
from privessel.privacy.clipping import Bound
from privessel.privacy.grid import COMPANY, sensitivity
from privessel.privacy.keys import Stream
from privessel.privacy.mechanism import CLIPPING, noisy_mean, sample_patches
from privessel.private_unet.step import PatchLoss, PrivateUNet, clip_patches, private_unet_gradient
from privessel.unet.net import (
    UNetShape,
    patch_losses,
    saturation_penalty,
    soft_dice_loss,
)

torch.set_num_threads(1)

KEY = bytes(range(32))
BY_PATIENT = replace(TRAINING, unit="patient", units=5, batch=2)
TINY = 1e-6  # by how much of the clipping norm a sum may be larger than it should


def network(**changes):
    start = a_start(**changes)
    return start.network(torch.device("cpu"))


def flat(sums):
    return torch.cat([part.flatten().double() for part in sums])


def brute_force(net, patches, *, norm, group):
    """The oracle: torch.func in float64, one patch at a time, each unit's mean gradient clipped to `norm`."""
    loss = copy.deepcopy(PatchLoss(net)).double()
    parameters = {name: value.detach() for name, value in loss.named_parameters()}

    def one(given, patch):
        return functional_call(loss, given, (patch[None],))[0]

    each = vmap(grad(one), in_dims=(None, 0))(parameters, patches.double())
    units = torch.cat([value.flatten(1) for value in each.values()], dim=1)
    units = units.unflatten(0, (-1, group)).mean(1)
    return (units * (norm / units.norm(dim=1, keepdim=True)).clamp(max=1.0)).sum(0), units.norm(dim=1)


def test_the_losses_of_single_patches_are_those_of_batches_of_one():
    logits = 20 * torch.randn(5, 1, 8, 8)
    labels = (torch.rand(5, 1, 8, 8) < 0.2).float()
    labels[1] = 0  # a patch without a vessel
    alone = [
        soft_dice_loss(torch.sigmoid(logits[k : k + 1]), labels[k : k + 1]) + saturation_penalty(logits[k])
        for k in range(5)
    ]
    assert torch.allclose(patch_losses(logits, labels), torch.stack(alone))


@pytest.mark.parametrize("engine", sorted(CLIPPING))
@pytest.mark.parametrize("group", [1, 3])
@pytest.mark.parametrize("filters", [(2, 4), (3, 4, 5)])
def test_both_engines_give_the_clipped_sum_of_a_float64_oracle(engine, group, filters):
    net = network(shape=UNetShape(filters, 0.0))
    patches = some_data().take(np.arange(12))
    _, norms = brute_force(net, patches, norm=1.0, group=group)
    clipping = clip_patches(net, engine=engine)
    for norm in (0.3 * norms.min().item(), norms.median().item(), 2 * norms.max().item()):
        expected, _ = brute_force(net, patches, norm=norm, group=group)
        signs = torch.full((12,), 1 / group)
        found = flat(clipping.sums(patches, signs, Bound(norm, group=group)))
        assert (found - expected).norm() <= 1e-5 * expected.norm()


def adversarial_patches():
    """Patches that a unit may have: constant, checkered, all or nothing marked, and beyond any grey value."""
    data = some_data().take(np.arange(6))
    odd = data.clone()
    odd[0], odd[1, 0], odd[2, 0] = 0, 1e4, -1e4
    odd[3, 0] = torch.tensor([[1e6, -1e6], [-1e6, 1e6]]).repeat(4, 4)
    odd[4, 1], odd[5, 1] = 1, 0
    return odd


@pytest.mark.parametrize("weight", [1.0, 30.0])
def test_no_unit_moves_the_sum_by_more_than_the_clipping_norm_whatever_its_patch_is(weight):
    """`weight`: of the net's weights; a large one saturates it, where gradients are extreme."""
    net = network()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter *= weight
    for norm in (1e-3, 1.0, 1e3):
        for patch in adversarial_patches().split(1):
            moved = flat(clip_patches(net).sums(patch, torch.ones(1), Bound(norm), padded=4)).norm()
            assert moved <= norm * (1 + TINY)


@pytest.mark.parametrize("training", [TRAINING, BY_PATIENT], ids=["patch", "patient"])
def test_neighbours_differ_by_no_more_than_the_sensitivity_once_summed_and_rounded(training):
    """Neighbours: the same sample, and without one of its units. No noise: the stream gives zeros."""
    mechanism, clipping = training.mechanism(), clip_patches(network())
    group = mechanism.patches_per_unit
    patches = torch.cat([adversarial_patches(), some_data().take(np.arange(6))])
    given = {"weight": 1.0, "stream": NoNoise(), "step": 0, "mechanism": mechanism}
    whole = flat(noisy_mean(clipping, patches, **given))
    weights = sum(parameter.numel() for parameter in clipping.critic.parameters())
    largest = sensitivity(grid_bits=mechanism.grid_bits, numbers=weights) * mechanism.clipping_norm
    for unit in range(len(patches) // group):
        kept = torch.ones(len(patches), dtype=torch.bool)
        kept[unit * group : (unit + 1) * group] = False
        without = flat(noisy_mean(clipping, patches[kept], **given))
        assert (whole - without).norm() * mechanism.batch <= largest * (1 + TINY)


@pytest.mark.parametrize("weight", [1.0, 30.0])
def test_a_unit_s_gradient_hardly_depends_on_its_company(weight):
    """By far less than `grid.COMPANY` of the clipping norm, for which the noise has an allowance."""
    net = network()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter *= weight
    clipping, bound = clip_patches(net), Bound(0.5)
    patches = torch.cat([adversarial_patches(), some_data().take(np.arange(6))])

    def total(*chosen):
        return flat(clipping.sums(patches[list(chosen)], torch.ones(len(chosen)), bound, padded=12))

    everything = total(*range(12))
    for unit in range(12):
        rest = total(*(other for other in range(12) if other != unit))
        assert (everything - rest - total(unit)).norm() <= 0.02 * COMPANY * 0.5


def test_an_empty_sample_gives_noise_alone_and_the_noise_is_as_wide_as_claimed():
    training = replace(TRAINING, batch=1, units=10**6)  # a step samples nobody, almost surely
    assert not len(
        sample_patches(Stream(KEY), step=0, of_patient=some_data().of_patient, rate=1e-6, each=None)
    )
    clipping = clip_patches(network(shape=UNetShape((8, 16), 0.0)))
    found = flat(private_unet_gradient(clipping, some_data(), training=training, stream=Stream(KEY), step=0))
    assert found.std().item() == pytest.approx(training.noise_multiplier * training.clipping_norm, rel=0.05)


def test_a_step_divides_by_the_public_batch_and_not_by_the_sample(monkeypatch):
    """The same sample under twice the expected batch gives half the gradient."""
    clipping, patches = clip_patches(network()), some_data().take(np.arange(7))
    sums = [
        flat(
            noisy_mean(
                clipping, patches, weight=1.0, stream=NoNoise(), step=0,
                mechanism=replace(TRAINING.mechanism(), batch=batch, micro_batch=1),
            )
        )
        for batch in (4, 8)
    ]  # fmt: skip
    assert torch.allclose(sums[0], 2 * sums[1])


def test_samples_follow_the_stream_and_a_patient_gives_as_many_patches_as_agreed():
    data = some_data()
    given = {"of_patient": data.of_patient, "rate": 0.5}
    first, again, other = (sample_patches(Stream(KEY), step=step, each=None, **given) for step in (0, 0, 1))
    assert (first == again).all()
    assert first.tolist() != other.tolist()
    for step in range(5):
        chosen = sample_patches(Stream(KEY), step=step, each=3, **given)
        _, counts = np.unique(chosen // 8, return_counts=True)
        assert (counts == 3).all()


def test_inputs_are_scaled_patch_by_patch_and_standardised_by_the_start_s_statistics():
    start, other = a_start(), replace(a_start(), mean=0.0, sd=1.0)
    own, raw = (some_data(start=one).take(np.arange(4))[:, 0] for one in (start, other))
    assert torch.allclose(own, (raw - start.mean) / start.sd)
    assert raw.amin((1, 2)).tolist() == [0] * 4
    assert raw.amax((1, 2)).tolist() == pytest.approx([255] * 4)


class Mixing(nn.Module):
    """A U-Net with a layer that a private training must refuse."""

    def __init__(self, layer):
        super().__init__()
        self.inner, self.layer = network(), layer

    def logits(self, images):
        return self.layer(self.inner.logits(images))


@pytest.mark.parametrize(
    ("layer", "told"),
    [
        (nn.BatchNorm2d(1), r"network\.layer \(BatchNorm2d\) mixes samples"),
        (nn.ConvTranspose2d(1, 1, 3, padding=1), r"network\.layer \(ConvTranspose2d\).*cannot be clipped"),
        (nn.Conv2d(1, 1, 3, padding=2, dilation=2), "dilation"),
        (nn.InstanceNorm2d(1, track_running_stats=True), "state"),
    ],
)
@pytest.mark.parametrize("engine", sorted(CLIPPING))
def test_what_cannot_be_clipped_is_refused_by_name(layer, told, engine):
    with pytest.raises(PrivacyError, match=told):
        clip_patches(Mixing(layer), engine=engine)


def test_a_step_leaves_no_gradient_behind_and_its_state_is_all_that_the_next_depends_on():
    one = PrivateUNet(a_start(), TRAINING, stream=Stream(KEY), device="cpu")
    data = some_data()
    one.advance(data)
    assert all(parameter.grad is None for parameter in one.network.parameters())
    state = copy.deepcopy(one.state())
    one.advance(data)
    other = PrivateUNet(a_start(seed=1), TRAINING, stream=Stream(KEY), device="cpu")
    other.restore(state)
    other.advance(data)
    for name, value in one.weights().items():
        assert torch.equal(value, other.weights()[name])


def test_with_little_noise_it_learns():
    training = replace(TRAINING, noise_multiplier=1e-3, batch=20, steps=60)
    one, data = PrivateUNet(a_start(), training, stream=Stream(KEY), device="cpu"), some_data()
    everything = data.take(np.arange(40))
    before = PatchLoss(one.network)(everything).mean().item()
    for _ in range(training.steps):
        one.advance(data)
    assert PatchLoss(one.network)(everything).mean().item() < before - 0.2
