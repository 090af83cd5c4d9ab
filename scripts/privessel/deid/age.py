"""Brain age: a three-dimensional ResNet-18 that reads an age from a whole head (section 4.2 of the paper)."""

import dataclasses
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import torch
from monai.networks.nets.resnet import ResNet
from numpy.typing import NDArray
from torch import Tensor, nn

from privessel.errors import DamagedError
from privessel.files import checkpoint
from privessel.files.reading import REMEDY

_STAGES = (
    2,
    2,
    2,
    2,
)  # blocks of two convolutions: with the first one and the last layer, 18 (He et al. 2016)


@dataclass(frozen=True)
class AgeTraining:
    """Every hyper-parameter of the age network and its training; ValueError for unusable values."""

    width: int  # channels of the first stage, doubled in each later one; 64 in ResNet-18
    steps: int
    batch: int  # heads in a step
    learning_rate: float  # of AdamW at the start; it falls linearly to 0
    weight_decay: float
    checkpoint_seconds: float  # between two saved states; 0 = after every step
    device: str  # cpu | cuda | auto
    threads: int  # of the CPU

    def __post_init__(self) -> None:
        for name in ("width", "steps", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.batch < 2:
            raise ValueError(f"batch must be at least 2 for batch normalisation, not {self.batch}")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be above 0, not {self.learning_rate}")
        for name in ("weight_decay", "checkpoint_seconds"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be at least 0, not {getattr(self, name)}")

    def identity(self, *, device: str) -> dict[str, object]:
        """Return what decides the weights, as plain data; `device`: the kind in use, which `auto` hides."""
        fields = asdict(self)
        del fields["checkpoint_seconds"]
        return {**fields, "device": device}


@dataclass(frozen=True)
class TrainedAge:
    """A trained network: weights, width, mean and SD of the ages it learned from, and what decided them."""

    weights: dict[str, Tensor]
    width: int
    mean: float
    sd: float
    identity: dict

    @cached_property
    def _network(self) -> nn.Module:
        network = make_network(self.width)
        network.load_state_dict(self.weights)
        return network.eval().requires_grad_(False)

    @torch.no_grad()
    def predict(self, head: NDArray) -> float:
        """Return the age in years that is read from a head (S, S, S), grey values in [0, 1]; on the CPU."""
        image = torch.from_numpy(head.astype("float32"))[None, None]
        return float(self._network(image).item() * self.sd + self.mean)

    def save(self, path: Path) -> None:
        """Write it to `path`, whole or not at all."""
        checkpoint.save(path, {field.name: getattr(self, field.name) for field in dataclasses.fields(self)})

    @classmethod
    def load(cls, path: Path) -> "TrainedAge":
        """Read what `save` wrote. Raises FileNotFoundError, or DamagedError for a damaged or another file."""
        fields = checkpoint.load(path)
        if fields.keys() != {field.name for field in dataclasses.fields(cls)}:
            raise DamagedError(f"{path} is not an age network of this version. {REMEDY}")
        return cls(**fields)


def make_network(width: int) -> nn.Module:
    """Return monai's ResNet-18 for volumes of one channel, with one output; weights as torch draws them."""
    widths = [width * 2**stage for stage in range(len(_STAGES))]
    return ResNet(
        "basic", list(_STAGES), widths, n_input_channels=1, conv1_t_size=7, conv1_t_stride=2, num_classes=1
    )
