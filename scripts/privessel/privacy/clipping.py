"""Sums of gradients that are clipped one by one: of each sample, or of each group of samples together.

`BookKeeping` needs one forward and one backward pass (Bu et al. 2022, "Differentially Private Optimization
on Large Model at Small Cost"): the gradient norm of a sample in a layer follows from the layer's inputs and
the gradients of its outputs, and once all norms are known one weighted sum gives the clipped gradients' sum.
`OpacusClipping` is the slow reference for it.

The critic runs in float32. What comes after it is in float64: norms, factors and sums. So the bound on what
one unit can change holds to about 1e-9 of the clipping norm, and not only to float32's rounding, which a sum
of many units makes visible (docs/mechanism.md, rule 9).
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

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
from privessel.privacy.norms import Piece, cheapest_route, gram_squares, stored_piece, weighted_sum

# Clipped norms stay below the clipping norm by this share: more than float64 loses in norms and sums.
SLACK = 2.0**-30

Sums = list[Tensor]  # one a parameter of the critic, in their order


@dataclass(frozen=True)
class Bound:
    """How the gradients of units are bounded before they are added up.

    Every `group` samples in a row are one unit (a patient's patches), whose gradient is the sum of theirs,
    less `centre` (one tensor a parameter) where it is given. With `exact`, norms and sums are float64;
    without, float32, which will do where no patient is in the pairs.
    """

    clipping_norm: float
    centre: Sequence[Tensor] | None = None
    group: int = 1
    exact: bool = True


class Clipping(ABC):
    """Sums of clipped gradients of a critic's scores; PrivacyError names any layer it cannot bound."""

    def __init__(self, critic: nn.Module) -> None:
        check_layers(critic)
        self.critic = critic

    def sums(self, pairs: Tensor, signs: Tensor, bound: Bound, *, padded: int = 0) -> Sums:
        """Return the sum of the units' clipped gradients, one tensor a parameter.

        pairs (n, ...), signs (n,): sample i has the gradient of signs[i] * critic(pairs)[i]. Each unit's
        gradient is scaled to a norm of at most `bound.clipping_norm` over all parameters together. Nothing
        stays in the critic: no gradient, no hook. A gradient that is not finite makes the sum so. With
        `padded` above n, so many samples are computed, the last of them empty and counted for nothing,
        because the number of samples chooses kernels, and with them roundings.
        """
        if bound.group < 1 or len(pairs) % bound.group:
            raise ValueError(f"{len(pairs)} samples are not whole units of {bound.group}")
        units, more = len(pairs) // bound.group, max(0, padded - len(pairs))
        if more:
            pairs = torch.cat([pairs, pairs.new_zeros(more, *pairs.shape[1:])])
            signs = torch.cat([signs, signs.new_zeros(more)])
        pieces = self._measure(pairs, signs, bound)
        with torch.no_grad():
            norms = torch.stack([piece.squares for piece in pieces.values()]).sum(0).sqrt()
            factors = (bound.clipping_norm * (1 - SLACK) / norms).clamp(max=1.0)
            factors[units:] = 0
            # One after the other, so that what a parameter's piece holds is freed before the next.
            return [
                pieces.pop(parameter).weighted(factors).view(parameter.shape)
                for parameter in self.critic.parameters()
            ]

    @abstractmethod
    def _measure(self, pairs: Tensor, signs: Tensor, bound: Bound) -> dict[nn.Parameter, Piece]:
        """Return norms and weighted sum of the units' gradients, for each parameter."""


class BookKeeping(Clipping):
    """Clipped sums for critics of Conv2d and Linear layers, by one forward and one backward pass."""

    def __init__(self, critic: nn.Module) -> None:
        super().__init__(critic)
        self._layers = {layer: name for name, layer in critic.named_modules() if type(layer) in KNOWN}
        # A layer's per-sample gradients, kept between calls: fresh memory costs more time than filling it.
        self._storage: dict[nn.Module, Tensor] = {}

    def _measure(self, pairs: Tensor, signs: Tensor, bound: Bound) -> dict[nn.Parameter, Piece]:
        pieces: dict[nn.Parameter, Piece] = {}
        called: list[nn.Module] = []
        roots: list[Tensor] = []

        @torch.no_grad()
        def keep(layer: nn.Module, inputs: Tensor, gradients: Tensor) -> None:
            pieces.update(self._pieces(layer, inputs, gradients, bound))

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
        return pieces

    def _pieces(
        self, layer: nn.Module, inputs: Tensor, gradients: Tensor, bound: Bound
    ) -> dict[nn.Parameter, Piece]:
        """Reduce a layer's inputs and output gradients to what norms and clipped sum need of them."""
        group, exact = bound.group, bound.exact
        centres = dict(zip(self.critic.parameters(), bound.centre, strict=True)) if bound.centre else {}
        pieces, gathered = {}, output_positions(layer, gradients, group)
        if layer.bias is not None:
            pieces[layer.bias] = stored_piece(gathered.sum(2) - centres.get(layer.bias, 0), exact)
        centre = centres.get(layer.weight)
        if cheapest_route(layer, gathered) == "gram":

            def weighted(factors: Tensor) -> Tensor:
                whole = weighted_sum(layer, inputs, gathered, factors, group)
                return whole if centre is None else whole - factors.sum() * centre.to(whole.dtype)

            squares = gram_squares(layer, inputs, gathered, centre, group)
            pieces[layer.weight] = Piece(squares if exact else squares.float(), weighted)
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
        stored = stored_piece(samples.flatten(1), exact)
        pieces[layer.weight] = stored._replace(
            weighted=lambda factors: fold_weight(layer, stored.weighted(factors))
        )
        return pieces


class OpacusClipping(Clipping):
    """The same sums from Opacus' per-sample gradients, all of them held at once."""

    def _measure(self, pairs: Tensor, signs: Tensor, bound: Bound) -> dict[nn.Parameter, Piece]:
        from opacus.grad_sample import GradSampleModule  # slow to import, and only the reference needs it

        # A copy, because Opacus leaves hooks and attributes behind; contiguous, because its gradients (1.6)
        # of inputs or weights that lie channels-last are wrong.
        plain = copy.deepcopy(self.critic).to(memory_format=torch.contiguous_format)
        wrapped = GradSampleModule(plain, loss_reduction="sum")
        (wrapped(pairs.detach().contiguous().requires_grad_()) @ signs).backward()
        pieces, centres = {}, bound.centre or [0] * len(list(plain.parameters()))
        for parameter, own, centre in zip(
            self.critic.parameters(), wrapped.parameters(), centres, strict=True
        ):
            units = own.grad_sample.unflatten(0, (-1, bound.group)).sum(1) - centre
            pieces[parameter] = stored_piece(units.flatten(1), bound.exact)
        return pieces
