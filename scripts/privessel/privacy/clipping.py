"""Sums of clipped per-sample gradients.

`BookKeeping` needs one forward and one backward pass (Bu et al. 2022, "Differentially Private Optimization
on Large Model at Small Cost"): a layer's per-sample gradient norms follow from its inputs and its outputs'
gradients, and once all norms are known one weighted sum gives the clipped gradient. `OpacusClipping` is the
slow reference for it.
"""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.grad import conv2d_weight

from privessel.errors import PrivacyError

KNOWN = (nn.Conv2d, nn.Linear)
# What a number of a stored per-sample gradient costs, in multiply-adds of float64: about 25 in time (measured
# on an AVX2 core), the rest for the memory it takes. It chooses a route, never a result.
STORED = 64
ROUNDING = 2.0**-16  # 256 float32 roundings
UNFOLD_BYTES = 1 << 20  # unfolded inputs held at a time, so that they stay in the cache

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

    def sums(self, pairs: Tensor, signs: Tensor, *, clipping_norm: float, centre: Centre = None) -> Sums:
        """Return the sum of the samples' clipped gradients, one tensor a parameter.

        pairs (n, ...), signs (n,): sample i has the gradient of signs[i] * critic(pairs)[i], less `centre`
        (one tensor a parameter) where it is given, and is scaled to a norm of at most `clipping_norm` over
        all parameters together. Nothing stays in the critic: no gradient, no hook.
        """
        centres = dict(zip(self.critic.parameters(), centre, strict=True)) if centre else {}
        pieces: dict[nn.Parameter, _Piece] = {}
        called: list[nn.Module] = []
        roots: list[Tensor] = []

        @torch.no_grad()
        def keep(layer: nn.Module, inputs: Tensor, gradients: Tensor) -> None:
            pieces.update(self._pieces(layer, inputs, gradients, centres))

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
        self, layer: nn.Module, inputs: Tensor, gradients: Tensor, centres: Mapping[nn.Parameter, Tensor]
    ) -> "dict[nn.Parameter, _Piece]":
        """Reduce a layer's inputs and output gradients to what norms and clipped sum need of them."""
        pieces, positions = {}, _positions(layer, gradients)
        if layer.bias is not None:
            pieces[layer.bias] = _stored(positions.sum(2) - centres.get(layer.bias, 0))
        centre = centres.get(layer.weight)
        if cheapest_route(layer, positions) == "gram":

            def weighted(factors: Tensor) -> Tensor:
                whole = _weight_gradient(layer, inputs, _scaled(gradients, factors))
                return whole if centre is None else whole - factors.sum() * centre

            pieces[layer.weight] = _Piece(_gram(layer, inputs, positions, centre), weighted)
            return pieces
        storage = self._storage.get(layer)
        if storage is None or len(storage) < len(inputs) or storage.device != inputs.device:
            outputs, width = layer.weight.flatten(1).shape
            storage = self._storage[layer] = inputs.new_empty(len(inputs), outputs, width)
        samples = storage[: len(inputs)]
        for some, unfolded in _unfolded(layer, inputs):
            torch.bmm(positions[some], unfolded, out=samples[some])
        if centre is not None:
            samples -= _unfolded_weight(layer, centre)
        stored = _stored(samples.flatten(1))
        pieces[layer.weight] = stored._replace(
            weighted=lambda factors: _folded(layer, stored.weighted(factors))
        )
        return pieces


class OpacusClipping:
    """The same sums from Opacus' per-sample gradients, all of them held at once."""

    def __init__(self, critic: nn.Module) -> None:
        check_layers(critic)
        self.critic = critic

    def sums(self, pairs: Tensor, signs: Tensor, *, clipping_norm: float, centre: Centre = None) -> Sums:
        """Return what `BookKeeping.sums` returns."""
        from opacus.grad_sample import GradSampleModule  # slow to import, and only the reference needs it

        # A copy, because Opacus leaves hooks and attributes behind; contiguous, because its gradients (1.6)
        # of inputs or weights that lie channels-last are wrong.
        plain = copy.deepcopy(self.critic).to(memory_format=torch.contiguous_format)
        wrapped = GradSampleModule(plain, loss_reduction="sum")
        (wrapped(pairs.detach().contiguous().requires_grad_()) @ signs).backward()
        samples = [parameter.grad_sample for parameter in wrapped.parameters()]
        samples = [each - c for each, c in zip(samples, centre or [0] * len(samples), strict=True)]
        norms = torch.stack([each.flatten(1).norm(dim=1) for each in samples]).norm(dim=0)
        factors = _factors(norms, clipping_norm)
        return [torch.tensordot(factors, each, dims=1) for each in samples]


def check_layers(critic: nn.Module) -> None:
    """Raise PrivacyError, by name, for a layer whose per-sample gradients cannot be bounded here."""
    owners: dict[nn.Parameter, str] = {}
    for name, layer in critic.named_modules():
        where = f"{name or 'the critic itself'} ({type(layer).__name__})"
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            raise PrivacyError(f"{where} mixes samples: use instance norm or none in a private critic")
        if any(True for _ in layer.buffers(recurse=False)):
            raise PrivacyError(f"{where} may keep a state of the samples it has seen: it has buffers")
        own = dict(layer.named_parameters(recurse=False))
        if own and (type(layer) not in KNOWN or own.keys() - {"weight", "bias"}):
            raise PrivacyError(f"{where} has parameters that cannot be clipped; use Conv2d and Linear only")
        if type(layer) is nn.Conv2d and not _plain(layer):
            raise PrivacyError(f"{where} has groups, dilation or padding that cannot be clipped")
        for parameter in own.values():
            if parameter in owners:
                raise PrivacyError(f"{where} shares a parameter with {owners[parameter]}")
            if parameter.dtype != torch.float32:
                raise PrivacyError(f"{where} is {parameter.dtype}: norms are exact enough in float32 only")
            owners[parameter] = where


def cheapest_route(layer: nn.Module, positions: Tensor) -> str:
    """Return how norms and sum of a layer's per-sample gradients cost least: `gram` or `stored`.

    positions (n, outputs, t): output gradients. Both unfold the inputs and pay one product of the size of an
    ordinary gradient; `stored` holds a gradient a sample, `gram` computes t x t products instead.
    """
    outputs, inputs = layer.weight.flatten(1).shape
    t = positions.shape[2]
    return "gram" if t * t * (inputs + outputs) < STORED * outputs * inputs else "stored"


class _Piece(NamedTuple):
    """A parameter's squared per-sample norms (n,), and its gradients' sum weighted by factors (n,)."""

    squares: Tensor
    weighted: Callable[[Tensor], Tensor]


def _stored(samples: Tensor) -> _Piece:
    return _Piece(torch.linalg.vector_norm(samples, dim=1).square(), lambda factors: factors @ samples)


def _factors(norms: Tensor, clipping_norm: float) -> Tensor:
    return (clipping_norm / (norms + 1e-6)).clamp(max=1.0)


def _scaled(gradients: Tensor, factors: Tensor) -> Tensor:
    return gradients * factors.view(-1, *(1,) * (gradients.dim() - 1))


def _plain(layer: nn.Conv2d) -> bool:
    known_padding = layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    return layer.groups == 1 and layer.dilation == (1, 1) and known_padding


def _weight_gradient(layer: nn.Module, inputs: Tensor, gradients: Tensor) -> Tensor:
    if type(layer) is nn.Conv2d:
        return conv2d_weight(inputs, layer.weight.shape, gradients, layer.stride, layer.padding)
    return gradients.flatten(0, -2).T @ inputs.flatten(0, -2)


def _gram(layer: nn.Module, inputs: Tensor, positions: Tensor, centre: Tensor | None) -> Tensor:
    """Squared norms (n,) of the per-sample gradients sum_t g_t a_t', as sum_tu (a_t . a_u) (g_t . g_u).

    Less a centre c, also - 2 sum_t g_t' c a_t + |c|^2. In float64, because these terms may cancel: in
    float32 a gradient could pass for smaller than it is. The sum of gradients less c is made in float32, so
    a distance from c that is lost in its rounding counts as `ROUNDING` of |c|.
    """
    squares = inputs.new_empty(len(inputs))
    c = None if centre is None else _unfolded_weight(layer, centre).double()
    for some, unfolded in _unfolded(layer, inputs):
        exact, outputs = unfolded.double(), positions[some].double()
        products = torch.bmm(exact, exact.transpose(1, 2))
        products *= torch.bmm(outputs.transpose(1, 2), outputs)
        found = products.sum((1, 2))
        if c is not None:
            found += (1 + ROUNDING**2) * c.square().sum()
            found -= 2 * ((exact @ c.T) * outputs.transpose(1, 2)).sum((1, 2))
        squares[some] = found.clamp(min=0).float()
    return squares


def _positions(layer: nn.Module, gradients: Tensor) -> Tensor:
    """Output gradients as (n, outputs, positions)."""
    if type(layer) is nn.Conv2d:
        return gradients.flatten(2)
    return gradients.unsqueeze(1).flatten(1, -2).transpose(1, 2)


def _unfolded(layer: nn.Module, inputs: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yield what each position sees, (n, positions, inputs of one output), a few samples at a time.

    Of a convolution in the order row, column, channel: three times as fast as `functional.unfold`.
    """
    if type(layer) is nn.Linear:
        yield slice(None), inputs.unsqueeze(1).flatten(1, -2)
        return
    (height, width), (down, right), (top, left) = layer.kernel_size, layer.stride, layer.padding
    step = max(1, UNFOLD_BYTES * down * right // (4 * height * width * inputs.shape[1:].numel()))
    for start in range(0, len(inputs), step):
        some = slice(start, start + step)
        padded = functional.pad(inputs[some], (left, left, top, top)).permute(0, 2, 3, 1).contiguous()
        windows = padded.unfold(1, height, down).unfold(2, width, right).permute(0, 1, 2, 4, 5, 3)
        yield some, windows.flatten(3).flatten(1, 2)


def _unfolded_weight(layer: nn.Module, weight: Tensor) -> Tensor:
    """Bring weights into the order of `_unfolded`: (outputs, inputs of one output)."""
    return (weight.permute(0, 2, 3, 1) if type(layer) is nn.Conv2d else weight).flatten(1)


def _folded(layer: nn.Module, weight: Tensor) -> Tensor:
    """Bring weights in the order of `_unfolded` into the layer's own."""
    if type(layer) is nn.Linear:
        return weight.view_as(layer.weight)
    outputs, inputs, height, width = layer.weight.shape
    return weight.view(outputs, height, width, inputs).permute(0, 3, 1, 2)
