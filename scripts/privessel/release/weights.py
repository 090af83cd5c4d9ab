"""Generator and U-Net as they are released: shape and weights only, and a check for anything else."""

import io
import pickletools
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn

from privessel.errors import DamagedError
from privessel.gan.nets import GanShape, Generator
from privessel.gan.synthesis import load_generator
from privessel.unet.net import TrainedUNet, UNet, UNetShape

INPUTS = {"patch_size": int, "mean": float, "sd": float}  # of a U-Net, beside its shape and weights


def copy_generator(source: Path, target: Path) -> None:
    """Copy the shape and weights of the generator in `source`, and nothing else that training saved there."""
    generator = load_generator(source)
    target.write_bytes(_save(generator, shape=generator.shape))


def copy_unet(source: Path, target: Path) -> None:
    """Copy what a U-Net needs to predict, and nothing that says how it was trained."""
    trained = TrainedUNet.load(source)
    network = _make_unet(trained.shape)
    network.load_state_dict(trained.weights)
    target.write_bytes(
        _save(network, shape=trained.shape, **{name: getattr(trained, name) for name in INPUTS})
    )


def check_generator(content: bytes) -> list[str]:
    """Return what a file holds beside a generator's shape and weights; no code in the file is run.

    The file must be, to the byte, what torch writes of a generator of this shape with these weights.
    """
    return _check(content, called="generator", kind=GanShape, make=Generator, numbers={})


def check_unet(content: bytes) -> list[str]:
    """Return what a file holds beside a U-Net; no code in the file is run.

    The file must be, to the byte, what torch writes of a U-Net of this shape with these weights.
    """
    return _check(content, called="U-Net", kind=UNetShape, make=_make_unet, numbers=INPUTS)


def _make_unet(shape: UNetShape) -> UNet:
    return UNet(shape, generator=torch.Generator())


def _save(network: nn.Module, *, shape: GanShape | UNetShape, **numbers: float) -> bytes:
    # In memory: given a path, torch writes its name into the file.
    content = io.BytesIO()
    torch.save({"shape": asdict(shape), "weights": dict(network.state_dict()), **numbers}, content)
    return content.getvalue()


def _check(
    content: bytes,
    *,
    called: str,
    kind: type[GanShape] | type[UNetShape],
    make: Callable[[Any], nn.Module],
    numbers: Mapping[str, type],
) -> list[str]:
    """Return what a file holds beside the shape and weights of a network, and `numbers`: type by name."""
    parts = {"shape", "weights", *numbers}
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if state.keys() != parts:
            return [f"parts {', '.join(map(str, sorted(state.keys() ^ parts)))}"]
        if any(type(state[name]) is not wanted for name, wanted in numbers.items()):
            return ["statistics of its inputs that are no numbers"]
        shape = kind(**state["shape"])
        network = make(shape)
        expected, given = network.state_dict(), state["weights"]
        odd = sorted(
            set(given) ^ set(expected)
            | {name for name in set(given) & set(expected) if not _is_alike(given[name], expected[name])}
        )
        if odd:
            return [f"tensors that a {called} has not: {', '.join(odd)}"]
        # Into tensors of its own: one of the file can be a part of a longer one, whose rest would be saved.
        network.load_state_dict(given)
        written = _save(network, shape=shape, **{name: state[name] for name in numbers})
    except Exception as problem:  # arbitrary bytes break readers in arbitrary ways
        return [f"no saved {called} ({str(problem).partition(chr(10))[0]})"]
    return [] if written == content else [f"parts beside the shape and weights of a {called}"]


def _is_alike(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and one.dtype == other.dtype


def read_strings(content: bytes) -> list[str]:
    """Return every string in the pickles of a saved state."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            pickles = [archive.read(name) for name in archive.namelist() if name.endswith(".pkl")]
        found = [argument for pickle in pickles for _, argument, _ in pickletools.genops(pickle)]
    except (zipfile.BadZipFile, ValueError, KeyError) as problem:
        raise DamagedError(f"no saved state ({problem})") from problem
    return [argument for argument in found if isinstance(argument, str)]
