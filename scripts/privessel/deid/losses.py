"""The losses of C-DeID-GAN: relativistic least squares, reconstruction, and a penalty on slopes."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional


def relativistic_loss(winners: Tensor, losers: Tensor) -> Tensor:
    """Return 1/2 E[(losers - winners + 1)^2] of scores (n,): it is 0 where each winner is 1 ahead.

    The discriminator's loss has the originals' scores as winners and the fakes' as losers, the generator's
    the other way round (section 3.2, "Loss Function"; the generator's loss is printed there without its
    square). Scores at the same place belong to an original and a fake with the same gamma.
    """
    return (losers - winners + 1).square().mean() / 2


def reconstruction_loss(fakes: Sequence[Tensor], images: Sequence[Tensor]) -> Tensor:
    """Return the mean absolute difference, averaged over the scales with equal weight; not in the paper."""
    differences = [functional.l1_loss(fake, image) for fake, image in zip(fakes, images, strict=True)]
    return torch.stack(differences).mean()


def slope_penalty(scores: Tensor, images: Sequence[Tensor]) -> Tensor:
    """Return 1/2 E[|slope|^2] of the originals' scores: R1 (Mescheder et al. 2018); not in the paper.

    `images` are the originals at each scale, from which the scores were computed and which require
    gradients. The squared norm of the slope is taken for each scale and averaged over them (ours).
    """
    slopes = torch.autograd.grad(scores.sum(), list(images), create_graph=True)
    squares = [slope.square().flatten(1).sum(1).mean() for slope in slopes]
    return torch.stack(squares).mean() / 2
