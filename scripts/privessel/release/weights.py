"""The generator as it is released: shape and weights only, and a check that a file holds nothing else."""

import io
import pickletools
import zipfile
from dataclasses import asdict
from pathlib import Path

import torch

from privessel.errors import DamagedError
from privessel.gan.nets import GanShape, Generator
from privessel.gan.synthesis import load_generator

PARTS = {"shape", "weights"}


def copy_generator(source: Path, target: Path) -> None:
    """Copy the shape and weights of the generator in `source`, and nothing else that training saved there."""
    generator = load_generator(source)
    # In memory first: given a path, torch writes its name into the file.
    content = io.BytesIO()
    torch.save({"shape": asdict(generator.shape), "weights": dict(generator.state_dict())}, content)
    target.write_bytes(content.getbuffer())


def check_generator(content: bytes) -> list[str]:
    """Return what a file holds beside a generator's shape and weights; no code in the file is run."""
    try:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if state.keys() != PARTS:
            return [f"parts {', '.join(map(str, sorted(state.keys() ^ PARTS)))}"]
        expected = Generator(GanShape(**state["shape"])).state_dict()
        given = state["weights"]
        odd = sorted(
            set(given) ^ set(expected)
            | {name for name in set(given) & set(expected) if given[name].shape != expected[name].shape}
        )
    except Exception as problem:  # arbitrary bytes break readers in arbitrary ways
        return [f"no saved generator ({str(problem).partition(chr(10))[0]})"]
    return [f"tensors that no generator has: {', '.join(odd)}"] if odd else []


def read_strings(content: bytes) -> list[str]:
    """Return every string in the pickles of a saved state."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            pickles = [archive.read(name) for name in archive.namelist() if name.endswith(".pkl")]
        found = [argument for pickle in pickles for _, argument, _ in pickletools.genops(pickle)]
    except (zipfile.BadZipFile, ValueError, KeyError) as problem:
        raise DamagedError(f"no saved state ({problem})") from problem
    return [argument for argument in found if isinstance(argument, str)]
