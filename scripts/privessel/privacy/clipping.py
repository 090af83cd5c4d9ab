"""Sums of gradients that are clipped one by one: of each sample, or of each group of samples together.

`BookKeeping` needs one forward and one backward pass (Bu et al. 2022, "Differentially Private Optimization
on Large Model at Small Cost"): a layer's per-sample gradient norms follow from its inputs and its outputs'
gradients, and once all norms are known one weighted sum gives the clipped gradient. `OpacusClipping` is the
slow reference for it.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from privessel.errors import PrivacyError
from privessel.privacy.layers import (
    KNOWN,
    check_layers,
    fold_weight,
    output_positions,
    unfold_inputs,
    unfold_weight,
)

# What a number of a stored per-sample gradient costs, in multiply-adds of float64: about 25 in time (measured
# on an AVX2 core), the rest for the memory it takes. It chooses a route, never a result.
STORED = 64
ROUNDING = 2.0**-16  # 256 float32 roundings
# Bytes of unfolded inputs in one product: large, so that adding up the products costs little beside them.
MULTIPLIED = 1 << 25

Sums = list[Tensor]  # one a parameter of the critic, in their order
Centre = Sequence[Tensor] | None


class BookKeeping:
    """Clipped sums for critics of Conv2d and Linear layers; PrivacyError names any layer it cannot bound."""

    def __init__(self, critic: nn.Module) -> None:
        check_layers(critic)
        self.critic = critic
        self._layers = {layer: name for name, layer in critic.named_modules() if type(layer) in KNOWN}
        # A layer's per-sample gradients, kept between calls: fresh memory costs more time than filling it.
        self._storage: dict[nn.Module, Tensor] = {}

    def sums(
        self, pairs: Tensor, signs: Tensor, *, clipping_norm: float, centre: Centre = None, group: int = 1
    ) -> Sums:
        """Return the sum of the units' clipped gradients, one tensor a parameter.

        pairs (n, ...), signs (n,): sample i has the gradient of signs[i] * critic(pairs)[i]. Every `group`
        samples in a row are one unit (a patient's patches), whose gradient is their sum, less `centre` (one
        tensor a parameter) where it is given; it is scaled to a norm of at most `clipping_norm` over all
        parameters together. Nothing stays in the critic: no gradient, no hook.
        """
        _check_groups(pairs, group)
        centres = dict(zip(self.critic.parameters(), centre, strict=True)) if centre else {}
        pieces: dict[nn.Parameter, _Piece] = {}
        called: list[nn.Module] = []
        roots: list[Tensor] = []

        @torch.no_grad()
        def keep(layer: nn.Module, inputs: Tensor, gradients: Tensor) -> None:
            pieces.update(self._pieces(layer, inputs, gradients, centres, group))

        def record(layer: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
            called.append(layer)
            if not inputs[0].requires_grad:
                roots.append(output)
            x = inputs[0].detach()
            output.register_hook(lambda g: keep(layer, x, g))

        hooks = [layer.register_forward_hook(record) for layer in self._layers]
        try:
            with torch.enable_grad():
                scores = self.critic(pairs.detach())
                # Asking for the first layers' outputs alone spares the backward pass all weight gradients.
                torch.autograd.grad(scores @ signs, roots)
        finally:
            for hook in hooks:
                hook.remove()
        for layer, name in self._layers.items():
            if called.count(layer) != 1 or layer.weight not in pieces:
                raise PrivacyError(f"{name} ({type(layer).__name__}) must be used exactly once in a pass")
        with torch.no_grad():
            norms = torch.stack([piece.squares for piece in pieces.values()]).sum(0).sqrt()
            factors = _factors(norms, clipping_norm)
            return [pieces.pop(parameter).weighted(factors) for parameter in self.critic.parameters()]

    def _pieces(
        self,
        layer: nn.Module,
        inputs: Tensor,
        gradients: Tensor,
        centres: Mapping[nn.Parameter, Tensor],
        group: int,
    ) -> "dict[nn.Parameter, _Piece]":
        """Reduce a layer's inputs and output gradients to what norms and clipped sum need of them."""
        pieces, gathered = {}, output_positions(layer, gradients, group)
        if layer.bias is not None:
            pieces[layer.bias] = _stored(gathered.sum(2) - centres.get(layer.bias, 0))
        centre = centres.get(layer.weight)
        if cheapest_route(layer, gathered) == "gram":

            def weighted(factors: Tensor) -> Tensor:
                whole = _weighted_sum(layer, inputs, gathered, factors, group)
                return whole if centre is None else whole - factors.sum() * centre

            pieces[layer.weight] = _Piece(_gram(layer, inputs, gathered, centre, group), weighted)
            return pieces
        storage = self._storage.get(layer)
        if storage is None or len(storage) < len(gathered) or storage.device != inputs.device:
            outputs, width = layer.weight.flatten(1).shape
            storage = self._storage[layer] = inputs.new_empty(len(gathered), outputs, width)
        samples = storage[: len(gathered)]
        for some, unfolded in unfold_inputs(layer, inputs, group):
            torch.bmm(gathered[some], unfolded, out=samples[some])
        if centre is not None:
            samples -= unfold_weight(layer, centre)
        stored = _stored(samples.flatten(1))
        pieces[layer.weight] = stored._replace(
            weighted=lambda factors: fold_weight(layer, stored.weighted(factors))
        )
        return pieces


class OpacusClipping:
    """The same sums from Opacus' per-sample gradients, all of them held at once."""

    def __init__(self, critic: nn.Module) -> None:
        check_layers(critic)
        self.critic = critic

    def sums(
        self, pairs: Tensor, signs: Tensor, *, clipping_norm: float, centre: Centre = None, group: int = 1
    ) -> Sums:
        """Return what `BookKeeping.sums` returns."""
        _check_groups(pairs, group)
        from opacus.grad_sample import GradSampleModule  # slow to import, and only the reference needs it

        # A copy, because Opacus leaves hooks and attributes behind; contiguous, because its gradients (1.6)
        # of inputs or weights that lie channels-last are wrong.
        plain = copy.deepcopy(self.critic).to(memory_format=torch.contiguous_format)
        wrapped = GradSampleModule(plain, loss_reduction="sum")
        (wrapped(pairs.detach().contiguous().requires_grad_()) @ signs).backward()
        samples = [p.grad_sample.unflatten(0, (-1, group)).sum(1) for p in wrapped.parameters()]
        samples = [each - c for each, c in zip(samples, centre or [0] * len(samples), strict=True)]
        norms = torch.stack([each.flatten(1).norm(dim=1) for each in samples]).norm(dim=0)
        factors = _factors(norms, clipping_norm)
        return [torch.tensordot(factors, each, dims=1) for each in samples]


def cheapest_route(layer: nn.Module, positions: Tensor) -> str:
    """Return how norms and sum of a layer's per-sample gradients cost least: `gram` or `stored`.

    positions (n, outputs, t): output gradients of n units. Both unfold inputs and pay a product as large as
    an ordinary gradient; `stored` holds a gradient a unit, `gram` computes t x t products instead.
    """
    outputs, inputs = layer.weight.flatten(1).shape
    t = positions.shape[2]
    return "gram" if t * t * (inputs + outputs) < STORED * outputs * inputs else "stored"


class _Piece(NamedTuple):
    """A parameter's squared norms per unit (n,), and the units' gradients' sum weighted by factors (n,)."""

    squares: Tensor
    weighted: Callable[[Tensor], Tensor]


def _stored(samples: Tensor) -> _Piece:
    return _Piece(torch.linalg.vector_norm(samples, dim=1).square(), lambda factors: factors @ samples)


def _check_groups(pairs: Tensor, group: int) -> None:
    if group < 1 or len(pairs) % group:
        raise ValueError(f"{len(pairs)} samples are not whole units of {group}")


def _factors(norms: Tensor, clipping_norm: float) -> Tensor:
    return (clipping_norm / (norms + 1e-6)).clamp(max=1.0)


def _weighted_sum(layer: nn.Module, inputs: Tensor, positions: Tensor, factors: Tensor, group: int) -> Tensor:
    """Return the sum of the units' weight gradients times their factors.

    One product of matrices: up to four times as fast as the gradient of a convolution (torch 2.13, CPU).
    """
    total = inputs.new_zeros(layer.weight.flatten(1).shape)
    scaled = positions * factors.view(-1, 1, 1)
    for some, unfolded in unfold_inputs(layer, inputs, group, held=MULTIPLIED):
        total.addmm_(scaled[some].transpose(0, 1).flatten(1), unfolded.flatten(0, 1))
    return fold_weight(layer, total)


def _gram(layer: nn.Module, inputs: Tensor, positions: Tensor, centre: Tensor | None, group: int) -> Tensor:
    """Squared norms (n,) of the units' gradients sum_t g_t a_t', as sum_tu (a_t . a_u) (g_t . g_u).

    t runs over the positions of all samples of a unit. Less a centre c, also - 2 sum_t g_t' c a_t + |c|^2. In
    float64, because these terms may cancel: in float32 a gradient could pass for smaller than it is. The sum
    of gradients less c is made in float32, so a distance from c that is lost in its rounding counts as
    `ROUNDING` of |c|.
    """
    squares = inputs.new_empty(len(positions))
    c = None if centre is None else unfold_weight(layer, centre).double()
    for some, unfolded in unfold_inputs(layer, inputs, group):
        exact, outputs = unfolded.double(), positions[some].double()
        products = torch.bmm(exact, exact.transpose(1, 2))
        products *= torch.bmm(outputs.transpose(1, 2), outputs)
        found = products.sum((1, 2))
        if c is not None:
            found += (1 + ROUNDING**2) * c.square().sum()
            found -= 2 * ((exact @ c.T) * outputs.transpose(1, 2)).sum((1, 2))
        squares[some] = found.clamp(min=0).float()
    return squares
