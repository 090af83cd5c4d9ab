"""AdamP (Heo et al. 2021, algorithm 2), the paper's optimiser, written from its published equations.

The authors' package `adamp` is under the MIT licence. It is not used, because it cannot flatten weights in
the channels-last memory layout in which this project keeps 3-D networks.
"""

import math

import torch
from torch import Tensor

ORTHOGONAL = 0.1  # delta of algorithm 2, its authors' default


class AdamP(torch.optim.Adam):
    """Adam whose step keeps away from the direction of weights whose scale does not matter.

    Where a loss does not depend on the scale of some weights, its gradient is orthogonal to them, and
    momentum alone makes them grow, which lowers their effective learning rate. Such weights are recognised by
    the cosine between gradient and weights, below 0.1 / sqrt(number of weights), first for each filter of a
    layer by itself (the largest cosine decides), then for the layer as a whole. Their step loses its part
    along the weights. All other weights, and biases, take Adam's step.
    """

    @torch.no_grad()
    def step(self) -> None:
        """Take one step."""
        parameters = [p for group in self.param_groups for p in group["params"] if p.grad is not None]
        before = [p.clone() for p in parameters]
        super().step()
        for parameter, old in zip(parameters, before, strict=True):
            if parameter.dim() > 1 and (flat := _orthogonal_view(old, parameter.grad)) is not None:
                radial = _along(flat, (parameter - old).reshape(flat.shape))
                parameter.sub_(radial.reshape(parameter.shape))


def _orthogonal_view(weights: Tensor, gradient: Tensor) -> Tensor | None:
    """Return the weights as rows that are orthogonal to the gradient's, or None where they are not."""
    for rows in (len(weights), 1):
        flat = weights.reshape(rows, -1)
        cosine = torch.cosine_similarity(flat, gradient.reshape(rows, -1), dim=1, eps=1e-8).abs()
        if cosine.max() < ORTHOGONAL / math.sqrt(flat.shape[1]):
            return flat
    return None


def _along(rows: Tensor, steps: Tensor) -> Tensor:
    """Return the part of each step that lies along its row."""
    unit = rows / rows.norm(dim=1, keepdim=True).clamp(min=1e-8)
    return unit * (unit * steps).sum(dim=1, keepdim=True)
