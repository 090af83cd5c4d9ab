import pytest
import torch
from torch import nn

from privessel.deid.losses import reconstruction_loss, relativistic_loss, slope_penalty


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_relativistic_loss_is_half_the_mean_squared_shortfall_of_a_lead_of_one():
    winners, losers = torch.tensor([2.0, 0.0, 1.0]), torch.tensor([1.0, 0.0, 3.0])
    assert relativistic_loss(winners, losers).item() == pytest.approx((0 + 1 + 9) / 6)
    assert relativistic_loss(winners, losers) != relativistic_loss(losers, winners)


def test_the_gradient_of_the_relativistic_loss_is_that_of_its_formula():
    real, fake = draw(7).requires_grad_(), draw(7, seed=1).requires_grad_()
    relativistic_loss(real, fake).backward()
    lead = (fake - real + 1).detach() / 7
    assert torch.allclose(fake.grad, lead)
    assert torch.allclose(real.grad, -lead)
    assert torch.autograd.gradcheck(lambda a, b: relativistic_loss(a, b), (real, fake))


def test_the_reconstruction_loss_gives_every_scale_the_same_weight():
    fakes = [torch.zeros(2, 1, s, s, s) for s in (8, 4)]
    images = [torch.full((2, 1, s, s, s), value) for s, value in ((8, 0.2), (4, -0.6))]
    assert reconstruction_loss(fakes, images).item() == pytest.approx(0.4)


def critic(images):
    """Score heads by known slopes: x^3 / 3 at the fine scale and 5 x at the coarse one."""
    return (images[0] ** 3 / 3).flatten(1).sum(1) + 5 * images[1].flatten(1).sum(1)


def test_the_penalty_is_half_the_mean_squared_slope_averaged_over_the_scales():
    images = [draw(3, 1, s, s, s, seed=s).requires_grad_() for s in (4, 2)]
    penalty = slope_penalty(critic(images), images)
    squares = [(images[0] ** 4).flatten(1).sum(1).mean(), torch.tensor(25.0 * 8)]
    assert penalty.item() == pytest.approx(sum(s.item() for s in squares) / 2 / 2)


def test_the_gradient_of_the_penalty_on_weights_is_that_of_finite_differences():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv3d(1, 2, 2), nn.Tanh(), nn.Flatten(), nn.Linear(2 * 27, 1)).double()
    image = draw(2, 1, 4, 4, 4)

    def penalty(weight):
        shown = image.clone().requires_grad_()
        changed = {**dict(net.named_parameters()), "0.weight": weight}
        return slope_penalty(torch.func.functional_call(net, changed, shown)[:, 0], [shown])

    weight = net[0].weight.detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(penalty, weight)


def test_the_penalty_of_one_head_does_not_depend_on_the_others():
    images = [draw(3, 1, s, s, s, seed=s).requires_grad_() for s in (4, 2)]
    alone = []
    for k in range(3):
        one = [image[k : k + 1].detach().requires_grad_() for image in images]
        alone.append(slope_penalty(critic(one), one).item())
    assert slope_penalty(critic(images), images).item() == pytest.approx(sum(alone) / 3)
