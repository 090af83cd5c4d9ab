import pytest
import torch

from privessel.deid.adamp import ORTHOGONAL, AdamP

RATES = {"lr": 0.05, "betas": (0.9, 0.99)}


def weights(*shape, seed=0):
    drawn = torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return drawn.requires_grad_()


def descend(optimiser, parameter, loss, steps):
    for _ in range(steps):
        optimiser.zero_grad()
        loss(parameter).backward()
        optimiser.step()


def scale_free(target):
    """Return a loss that depends on the direction of each row of weights and not on its length."""
    return lambda w: (torch.nn.functional.normalize(w.flatten(1), dim=1) - target).square().sum()


@pytest.mark.parametrize("shape", [(4, 3, 2, 2, 2), (6,)])
def test_weights_whose_gradient_is_not_orthogonal_take_adams_step_to_the_last_bit(shape):
    ours, theirs = weights(*shape), weights(*shape)
    loss = lambda w: (w - 0.3 * w.detach().sign()).square().sum()  # noqa: E731
    descend(AdamP([ours], **RATES), ours, loss, 10)
    descend(torch.optim.Adam([theirs], **RATES), theirs, loss, 10)
    assert torch.equal(ours, theirs)


def test_a_step_on_scale_free_weights_is_adams_without_its_part_along_each_filter():
    target = torch.nn.functional.normalize(weights(3, 40, seed=1).detach(), dim=1)
    ours, theirs = weights(3, 5, 2, 2, 2), weights(3, 5, 2, 2, 2)
    old = ours.detach().clone().flatten(1)
    descend(AdamP([ours], **RATES), ours, scale_free(target), 1)
    descend(torch.optim.Adam([theirs], **RATES), theirs, scale_free(target), 1)
    step, adams = ours.detach().flatten(1) - old, theirs.detach().flatten(1) - old
    unit = old / old.norm(dim=1, keepdim=True)
    expected = adams - unit * (unit * adams).sum(1, keepdim=True)
    assert torch.allclose(step, expected, atol=1e-12)
    assert (unit * adams).sum(1).abs().max() > 1e-3  # Adam's own step is not orthogonal
    assert (unit * step).sum(1).abs().max() < 1e-12


def test_scale_free_weights_grow_less_than_with_adam():
    target = torch.nn.functional.normalize(weights(3, 40, seed=1).detach(), dim=1)
    norms = {}
    for kind in (AdamP, torch.optim.Adam):
        parameter = weights(3, 5, 2, 2, 2)
        before = parameter.norm().item()
        descend(kind([parameter], **RATES), parameter, scale_free(target), 200)
        norms[kind] = parameter.norm().item() / before
    assert 1 < norms[AdamP] < norms[torch.optim.Adam]


def test_a_layer_that_is_scale_free_only_as_a_whole_keeps_its_length_as_a_whole():
    target = torch.nn.functional.normalize(weights(24, seed=1).detach(), dim=0).reshape(3, 8)
    parameter = weights(3, 8)
    old = parameter.detach().clone()
    loss = lambda w: (w / w.norm() - target).square().sum()  # noqa: E731
    descend(AdamP([parameter], **RATES), parameter, loss, 1)
    step = parameter.detach() - old
    assert abs((step * old).sum().item()) < 1e-12
    assert (step * old).sum(1).abs().max() > 1e-3  # no filter is orthogonal by itself


def test_the_bound_of_the_cosine_is_a_tenth_over_the_root_of_the_number_of_weights():
    for factor, projected in ((0.9, True), (1.1, False)):
        parameter = weights(1, 64)
        old = parameter.detach().clone()
        unit = old / old.norm()
        side = weights(1, 64, seed=1).detach()
        side -= unit * (unit * side).sum()
        side /= side.norm()
        cosine = factor * ORTHOGONAL / 8
        parameter.grad = cosine * unit + (1 - cosine**2) ** 0.5 * side
        AdamP([parameter], **RATES).step()
        assert (abs(((parameter.detach() - old) * unit).sum().item()) < 1e-12) is projected


def test_the_memory_layout_of_3d_networks_does_not_matter():
    target = torch.nn.functional.normalize(weights(3, 40, seed=1).detach(), dim=1)
    plain = weights(3, 5, 2, 2, 2)
    other = weights(3, 5, 2, 2, 2).detach().contiguous(memory_format=torch.channels_last_3d).requires_grad_()
    for parameter in (plain, other):
        descend(AdamP([parameter], **RATES), parameter, scale_free(target), 5)
    assert torch.allclose(plain, other, atol=1e-12)
