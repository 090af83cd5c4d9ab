"""Norms of units' gradients in one parameter of a critic, and their weighted sum, by the cheapest route.

The gradient of a unit in a layer is sum_t g_t a_t': g_t is the gradient of the layer's output at position t,
a_t what the layer sees there, and t runs over the positions of all samples of the unit. Either it is held
(`stored`), or its norm is computed from inner products of the g_t and of the a_t alone (`gram`).
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn

from privessel.privacy.layers import CACHED, fold_weight, unfold_inputs, unfold_weight

# What a number of a stored per-sample gradient costs, in multiply-adds of float64: about 25 in time (measured
# on an AVX2 core), the rest for the memory it takes. It chooses a route, never a result.
STORED = 64
# The share of the size of its terms by which a sum of products in float64 may be wrong: 512 roundings.
CANCELLATION = 2.0**-44
# Bytes of unfolded inputs in one product: large, so that adding up the products costs little beside them.
MULTIPLIED = 1 << 25


def cheapest_route(layer: nn.Module, positions: Tensor) -> str:
    """Return how norms and sum of a layer's per-sample gradients cost least: `gram` or `stored`.

    positions (n, outputs, t): output gradients of n units. Both unfold inputs and pay a product as large as
    an ordinary gradient; `stored` holds a gradient a unit, `gram` computes t x t products instead.
    """
    outputs, inputs = layer.weight.flatten(1).shape
    t = positions.shape[2]
    return "gram" if t * t * (inputs + outputs) < STORED * outputs * inputs else "stored"


class Piece(NamedTuple):
    """A parameter's squared norms per unit (n,), and the units' gradients' sum weighted by factors (n,)."""

    squares: Tensor
    weighted: Callable[[Tensor], Tensor]


def stored_piece(samples: Tensor, exact: bool) -> Piece:
    """Return norms and weighted sum of units' gradients (n, weights) that are held one by one.

    In float64 where it must be `exact`, else in float32.
    """
    if not exact:
        return Piece(torch.linalg.vector_norm(samples, dim=1).square(), lambda factors: factors @ samples)

    def weighted(factors: Tensor) -> Tensor:
        total = factors.new_empty(samples.shape[1])
        for some, part in _in_double(samples):
            torch.mv(part.T, factors, out=total[some])
        return total

    squares = samples.new_zeros(len(samples), dtype=torch.float64)
    for _, part in _in_double(samples):
        squares += torch.linalg.vecdot(part, part)
    return Piece(squares, weighted)


def _in_double(samples: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yield some columns of `samples` (n, weights) at a time in float64.

    On a CPU as many as its cache holds, which is six times as fast as whole rows.
    """
    held = CACHED if samples.device.type == "cpu" else MULTIPLIED
    step = max(1, held // (8 * len(samples)))
    for start in range(0, samples.shape[1], step):
        some = slice(start, start + step)
        yield some, samples[:, some].double()


def weighted_sum(layer: nn.Module, inputs: Tensor, positions: Tensor, factors: Tensor, group: int) -> Tensor:
    """Return the sum of the units' weight gradients times their factors, in the factors' precision.

    One product of matrices: up to four times as fast as the gradient of a convolution (torch 2.13, CPU).
    """
    total = factors.new_zeros(layer.weight.flatten(1).shape)
    scaled = positions * factors.view(-1, 1, 1)
    for some, unfolded in unfold_inputs(layer, inputs, group, held=MULTIPLIED):
        total.addmm_(scaled[some].transpose(0, 1).flatten(1), unfolded.flatten(0, 1).to(factors.dtype))
    return fold_weight(layer, total)


def gram_squares(
    layer: nn.Module, inputs: Tensor, positions: Tensor, centre: Tensor | None, group: int
) -> Tensor:
    """Return squared norms (n,) of the units' gradients, as sum_tu (a_t . a_u) (g_t . g_u), in float64.

    For gradients less a centre c, also - 2 sum_t g_t' c a_t + |c|^2. These terms may cancel, and then their
    rounding could make a gradient pass for smaller than it is. So what float64 may have lost is added:
    `CANCELLATION` of (sum_t |g_t| |a_t|)^2 <= t sum_t |g_t|^2 |a_t|^2, and of |c|^2. That also keeps a
    gradient's factor below 2^22 clipping norms over the size of its terms, so that the weighted sum, which
    adds up the same terms, is exact to 1e-9 of the clipping norm.
    """
    squares = inputs.new_empty(len(positions), dtype=torch.float64)
    c = None if centre is None else unfold_weight(layer, centre).double()
    for some, unfolded in unfold_inputs(layer, inputs, group):
        exact, outputs = unfolded.double(), positions[some].double()
        products = torch.bmm(exact, exact.transpose(1, 2))
        products *= torch.bmm(outputs.transpose(1, 2), outputs)
        found = products.sum((1, 2))
        terms = products.shape[1] * products.diagonal(dim1=1, dim2=2).sum(1)
        if c is not None:
            found += c.square().sum()
            found -= 2 * ((exact @ c.T) * outputs.transpose(1, 2)).sum((1, 2))
            terms += c.square().sum()
        squares[some] = found.clamp(min=0) + 2 * CANCELLATION * terms
    return squares
