"""Generator and U-Net as they are released: shape and weights only, and a check for anything else."""

import io
import pickletools
import zipfile
from dataclasses import asdict
from pathlib import Path

import torch

from privessel.errors import DamagedError
from privessel.gan.nets import GanShape, Generator
from privessel.gan.synthesis import load_generator
from privessel.unet.net import TrainedUNet, UNet, UNetShape

PARTS = {"shape", "weights"}
UNET_PARTS = PARTS | {"patch_size", "mean", "sd"}


def copy_generator(source: Path, target: Path) -> None:
    """Copy the shape and weights of the generator in `source`, and nothing else that training saved there."""
    target.write_bytes(_save(load_generator(source)))


def _save(generator: Generator) -> bytes:
    # In memory: given a path, torch writes its name into the file.
    content = io.BytesIO()
    torch.save({"shape": asdict(generator.shape), "weights": dict(generator.state_dict())}, content)
    return content.getvalue()


def check_generator(content: bytes) -> list[str]:
    """Return what a file holds beside a generator's shape and weights; no code in the file is run.

    The file must be, to the byte, what torch writes of a generator of this shape with these weights.
    """
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if state.keys() != PARTS:
            return [f"parts {', '.join(map(str, sorted(state.keys() ^ PARTS)))}"]
        generator = Generator(GanShape(**state["shape"]))
        expected, given = generator.state_dict(), state["weights"]
        odd = sorted(
            set(given) ^ set(expected)
            | {name for name in set(given) & set(expected) if not _is_alike(given[name], expected[name])}
        )
        if odd:
            return [f"tensors that a generator has not: {', '.join(odd)}"]
        generator.load_state_dict(given)
        written = _save(generator)
    except Exception as problem:  # arbitrary bytes break readers in arbitrary ways
        return [f"no saved generator ({str(problem).partition(chr(10))[0]})"]
    return [] if written == content else ["parts beside the shape and weights of a generator"]


def copy_unet(source: Path, target: Path) -> None:
    """Copy what a U-Net needs to predict, and nothing that says how it was trained."""
    trained = TrainedUNet.load(source)
    target.write_bytes(_save_unet(trained))


def _save_unet(trained: TrainedUNet) -> bytes:
    content = io.BytesIO()
    state = {name: getattr(trained, name) for name in ("weights", "patch_size", "mean", "sd")}
    torch.save(state | {"shape": asdict(trained.shape)}, content)
    return content.getvalue()


def check_unet(content: bytes) -> list[str]:
    """Return what a file holds beside a U-Net; no code in the file is run.

    The file must be, to the byte, what torch writes of a U-Net of this shape with these weights.
    """
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if state.keys() != UNET_PARTS:
            return [f"parts {', '.join(map(str, sorted(state.keys() ^ UNET_PARTS)))}"]
        numbers = [state["mean"], state["sd"], state["patch_size"]]
        if [type(one) for one in numbers] != [float, float, int]:
            return ["statistics of its inputs that are no numbers"]
        shape = UNetShape(**state["shape"])
        expected, given = UNet(shape, generator=torch.Generator()).state_dict(), state["weights"]
        odd = sorted(
            set(given) ^ set(expected)
            | {name for name in set(given) & set(expected) if not _is_alike(given[name], expected[name])}
        )
        if odd:
            return [f"tensors that a U-Net has not: {', '.join(odd)}"]
        written = _save_unet(TrainedUNet(**state | {"shape": shape, "identity": {}}))
    except Exception as problem:  # arbitrary bytes break readers in arbitrary ways
        return [f"no saved U-Net ({str(problem).partition(chr(10))[0]})"]
    return [] if written == content else ["parts beside the shape and weights of a U-Net"]


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
