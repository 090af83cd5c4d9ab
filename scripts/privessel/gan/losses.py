"""What a critic without privacy descends: a loss of its scores, and the penalty on their slope."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

Descent = tuple[list[Tensor], Tensor]  # a gradient, one tensor a parameter of the critic, and its loss


class Loss(NamedTuple):
    """What the critic pays for the score of a real pair and of a fake; the generator pays `real` for a fake.

    For cross-entropy that is the generator's loss which Goodfellow et al. 2014 (section 3) advise: it does
    not saturate while the critic tells fakes with ease.
    """

    real: Callable[[Tensor], Tensor]
    fake: Callable[[Tensor], Tensor]


LOSSES = {
    "wasserstein": Loss(real=torch.neg, fake=torch.positive),
    # Of logits: -log sigmoid(score) for a real pair and -log(1 - sigmoid(score)) for a fake.
    "cross-entropy": Loss(real=lambda score: functional.softplus(-score), fake=functional.softplus),
}


def plain_gradient(critic: nn.Module, real: Tensor, fake: Tensor, *, loss: str, micro_batch: int) -> Descent:
    """Return the gradient of the mean losses of real and fake, one tensor a parameter, and their sum.

    A pass sees `micro_batch` pairs, real or fake: a critic with batch norm needs both whole.
    """
    paid = LOSSES[loss]
    fakes = _mean_gradient(critic, lambda part: paid.fake(critic(part)), fake, micro_batch=micro_batch)
    reals = _mean_gradient(critic, lambda part: paid.real(critic(part)), real, micro_batch=micro_batch)
    return added(fakes, reals)


def penalty_gradient(
    critic: nn.Module, real: Tensor, fake: Tensor, shares: Tensor, *, weight: float, micro_batch: int
) -> Descent:
    """Return the gradient of the weighted mean penalty, and that (Gulrajani et al. 2017, equation 3).

    real and fake (n, ...): interpolate i is shares[i] of a real pair and the rest of a fake.
    """
    mixed = torch.lerp(fake, real, shares.view(-1, *[1] * (real.dim() - 1)))
    return _mean_gradient(
        critic, lambda part: weight * gradient_penalty(critic, part), mixed, micro_batch=micro_batch
    )


def gradient_penalty(critic: nn.Module, pairs: Tensor) -> Tensor:
    """Return (|gradient of a pair's score by the pair| - 1)^2 of every pair, (n,)."""
    pairs = pairs.detach().requires_grad_()
    (slopes,) = torch.autograd.grad(critic(pairs).sum(), pairs, create_graph=True)
    return (torch.linalg.vector_norm(slopes.flatten(1), dim=1) - 1).square()


def added(one: Descent, other: Descent) -> Descent:
    """Return the sum of two gradients and of the values they belong to."""
    return [mine + theirs for mine, theirs in zip(one[0], other[0], strict=True)], one[1] + other[1]


def _mean_gradient(
    critic: nn.Module, losses: Callable[[Tensor], Tensor], pairs: Tensor, *, micro_batch: int
) -> Descent:
    """Return the gradient of mean losses(pairs), one tensor a parameter of the critic, and that mean."""
    parameters = list(critic.parameters())
    gradient = [torch.zeros_like(parameter) for parameter in parameters]
    mean = pairs.new_zeros(())
    for part in pairs.split(micro_batch):
        share = losses(part).sum() / len(pairs)
        # The slope of a piecewise linear critic does not depend on its biases.
        found = torch.autograd.grad(share, parameters, allow_unused=True, materialize_grads=True)
        for total, each in zip(gradient, found, strict=True):
            total += each
        mean += share.detach()
    return gradient, mean
