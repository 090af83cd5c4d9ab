"""A trained generator as one file, which knows whose heads it was trained on."""

import dataclasses
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from privessel.deid.networks import Generator
from privessel.deid.shape import HeadGanShape
from privessel.errors import DamagedError
from privessel.files import checkpoint
from privessel.files.reading import REMEDY


@dataclass(frozen=True)
class TrainedHeadGan:
    """The generator's weights and shape, digests of the people it has seen, and what decided the weights.

    The digests of names are no secret to whoever can guess the names: the file stays inside, as the weights
    themselves must.
    """

    weights: dict[str, Tensor]
    shape: HeadGanShape
    seen: list[str]
    identity: dict

    def saw(self, person: str) -> bool:
        """Return whether a head of this person was among those that it was trained on."""
        return _digest(person) in self.seen

    def generator(self, device: torch.device) -> Generator:
        """Return the generator with its weights on `device`."""
        generator = Generator(self.shape, generator=torch.Generator())
        generator.load_state_dict(self.weights)
        return generator.to(device, memory_format=torch.channels_last_3d).requires_grad_(False)

    def save(self, path: Path) -> None:
        """Write it to `path`, whole or not at all."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        checkpoint.save(path, {**fields, "shape": dataclasses.asdict(self.shape)})

    @classmethod
    def load(cls, path: Path) -> "TrainedHeadGan":
        """Read what `save` wrote. Raises FileNotFoundError, or DamagedError for a damaged or another file."""
        fields = checkpoint.load(path)
        if fields.keys() != {field.name for field in dataclasses.fields(cls)}:
            raise DamagedError(f"{path} is not a C-DeID-GAN of this version. {REMEDY}")
        return cls(**{**fields, "shape": HeadGanShape(**fields["shape"])})


def digest_people(people: Iterable[str]) -> list[str]:
    """Return the sorted SHA-256 of each name."""
    return sorted({_digest(person) for person in people})


def _digest(person: str) -> str:
    return hashlib.sha256(person.encode()).hexdigest()
