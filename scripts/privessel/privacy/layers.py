"""Layers whose gradients can be clipped, and what such a gradient is made of."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from privessel.errors import PrivacyError

KNOWN = (nn.Conv2d, nn.Linear)
CACHED = 1 << 20  # bytes of unfolded inputs that stay in a core's cache


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


def _plain(layer: nn.Conv2d) -> bool:
    known_padding = layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    return layer.groups == 1 and layer.dilation == (1, 1) and known_padding


def output_positions(layer: nn.Module, gradients: Tensor, group: int) -> Tensor:
    """Output gradients as (units, outputs, positions of all samples of a unit)."""
    if type(layer) is nn.Conv2d:
        each = gradients.flatten(2)
    else:
        each = gradients.unsqueeze(1).flatten(1, -2).transpose(1, 2)
    return each if group == 1 else each.unflatten(0, (-1, group)).transpose(1, 2).flatten(2)


def unfold_inputs(
    layer: nn.Module, inputs: Tensor, group: int, *, held: int = CACHED
) -> Iterator[tuple[slice, Tensor]]:
    """Yield what each position sees, (units, positions, inputs of one output), about `held` bytes at a time.

    Of a convolution in the order row, column, channel: three times as fast as `functional.unfold`.
    """
    if type(layer) is nn.Linear:
        yield slice(None), inputs.unsqueeze(1).flatten(1, -2).unflatten(0, (-1, group)).flatten(1, 2)
        return
    (height, width), (down, right), (top, left) = layer.kernel_size, layer.stride, layer.padding
    samples = held * down * right // (4 * height * width * inputs.shape[1:].numel())
    step = max(1, samples // group)
    for start in range(0, len(inputs) // group, step):
        some = slice(start, start + step)
        part = inputs[group * start : group * (start + step)]
        padded = functional.pad(part, (left, left, top, top)).permute(0, 2, 3, 1).contiguous()
        windows = padded.unfold(1, height, down).unfold(2, width, right).permute(0, 1, 2, 4, 5, 3)
        yield some, windows.flatten(3).flatten(1, 2).unflatten(0, (-1, group)).flatten(1, 2)


def unfold_weight(layer: nn.Module, weight: Tensor) -> Tensor:
    """Bring weights into the order of `unfold_inputs`: (outputs, inputs of one output)."""
    return (weight.permute(0, 2, 3, 1) if type(layer) is nn.Conv2d else weight).flatten(1)


def fold_weight(layer: nn.Module, weight: Tensor) -> Tensor:
    """Bring weights in the order of `unfold_inputs` into the layer's own."""
    if type(layer) is nn.Linear:
        return weight.view_as(layer.weight)
    outputs, inputs, height, width = layer.weight.shape
    return weight.view(outputs, height, width, inputs).permute(0, 3, 1, 2)
