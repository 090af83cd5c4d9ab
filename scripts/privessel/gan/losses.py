"""The gradients of a critic without privacy: of the loss of its scores, and of the penalty on their slope."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from privessel.privacy.mechanism import mean_gradient

Descent = tuple[list[Tensor], Tensor]  # a gradient, one tensor a parameter of the critic, and its loss


class Loss(NamedTuple):
    """The critic's loss from the score of a real pair and from that of a fake, element by element.

    The generator's loss is `real` of the scores of its fakes. For cross-entropy this is the generator's loss
    that Goodfellow et al. 2014 (section 3) advise, because it does not saturate while the critic recognises
    fakes easily.
    """

    real: Callable[[Tensor], Tensor]
    fake: Callable[[Tensor], Tensor]


LOSSES = {
    "wasserstein": Loss(real=torch.neg, fake=torch.positive),
    # Scores are logits: -log sigmoid(score) for a real pair and -log(1 - sigmoid(score)) for a fake.
    "cross-entropy": Loss(real=lambda score: functional.softplus(-score), fake=functional.softplus),
}


def plain_gradient(critic: nn.Module, real: Tensor, fake: Tensor, *, loss: str, micro_batch: int) -> Descent:
    """Return the gradient of the mean loss on real pairs plus that on fakes, and the value of that sum.

    real (n, ...) and fake (m, ...) go through the critic `micro_batch` pairs at a time, real pairs and fakes
    apart. For a critic with batch norm the micro-batch must be at least n and m.
    """
    by_score = LOSSES[loss]
    of_fakes = mean_gradient(critic, lambda part: by_score.fake(critic(part)), fake, micro_batch=micro_batch)
    of_reals = mean_gradient(critic, lambda part: by_score.real(critic(part)), real, micro_batch=micro_batch)
    return add_descents(of_fakes, of_reals)


def penalty_gradient(
    critic: nn.Module, real: Tensor, fake: Tensor, shares: Tensor, *, weight: float, micro_batch: int
) -> Descent:
    """Return the gradient of `weight` times the mean penalty, and the value of that product.

    Gulrajani et al. 2017, equation 3. real and fake (n, ...), shares (n,): the penalty is taken at mixtures,
    of which number i is shares[i] of real pair i and 1 - shares[i] of fake i.
    """
    mixed = torch.lerp(fake, real, shares.view(-1, *[1] * (real.dim() - 1)))
    return mean_gradient(
        critic, lambda part: weight * gradient_penalty(critic, part), mixed, micro_batch=micro_batch
    )


def gradient_penalty(critic: nn.Module, pairs: Tensor) -> Tensor:
    """Return (|gradient of a pair's score with respect to the pair| - 1)^2 for every pair, (n,)."""
    pairs = pairs.detach().requires_grad_()
    (slopes,) = torch.autograd.grad(critic(pairs).sum(), pairs, create_graph=True)
    return (torch.linalg.vector_norm(slopes.flatten(1), dim=1) - 1).square()


def add_descents(one: Descent, other: Descent) -> Descent:
    """Return the sum of two gradients, and the sum of their losses."""
    gradient = [mine + theirs for mine, theirs in zip(one[0], other[0], strict=True)]
    return gradient, one[1] + other[1]
