"""The 'half U-Net' of Livne et al. 2019, its soft-Dice loss, and the trained network as one file."""

import dataclasses
import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from privessel.cohort.patches import digest
from privessel.errors import DamagedError
from privessel.files import checkpoint
from privessel.files.reading import REMEDY, read_json

SMALLEST_SHARE = 1e-4  # of vessel pixels that a network is told to expect, where there are fewer or none
SMOOTH = 1.0  # of the published loss: keeps the Dice of two empty masks defined
LARGEST_LOGIT = 8.0  # a probability of 0.0003 or 0.9997
SATURATION_WEIGHT = 0.01  # 0.001 to 0.1 rescue alike; 0.1 costs a little where rates are high


@dataclass(frozen=True)
class UNetShape:
    """What fixes the network: filters of each level from finest to coarsest, and the share of dropout."""

    filters: tuple[int, ...]
    dropout: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "filters", tuple(self.filters))
        if not self.filters or min(self.filters) < 1:
            raise ValueError(f"filters {self.filters}: give one positive number a level, e.g. (32, 64, 128)")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout {self.dropout} is not in [0, 1)")

    @property
    def divisor(self) -> int:
        """The number that a patch's side must be a multiple of: each level but the first halves it."""
        return 2 ** (len(self.filters) - 1)

    def check_patch(self, size: int) -> None:
        """Raise ValueError if patches of `size` pixels cannot be halved once a level."""
        if size < 1 or size % self.divisor:
            raise ValueError(
                f"patch size {size} is not a multiple of {self.divisor}, as a U-Net of {len(self.filters)} "
                f"levels needs: choose another size or fewer filters than {list(self.filters)}"
            )


class UNet(nn.Module):
    """Vessel probability of every pixel: (n, 1, s, s) standardised images to (n, 1, s, s) in (0, 1).

    Livne et al. 2019, with 32, 64, 128, 256, 512 filters: two 3 x 3 convolutions with ReLU a block, 2 x 2
    max-pooling down, nearest upsampling and concatenation up, a last 1 x 1 convolution with sigmoid. Weights
    start from He's uniform distribution, biases from zero. (The published code has Glorot's, the default of
    Keras: from there 2 of 10 narrow networks ended up marking nothing, and the others learned more slowly.)
    Before the training, `expect` sets the last bias to the share of vessel pixels.
    """

    def __init__(self, shape: UNetShape, *, generator: torch.Generator) -> None:
        super().__init__()
        self.shape = shape
        filters = shape.filters
        pairs = list(itertools.pairwise(filters))
        self.down = nn.ModuleList(Block(fine, coarse) for fine, coarse in itertools.pairwise((1, *filters)))
        self.up = nn.ModuleList(Block(coarse + fine, fine) for fine, coarse in reversed(pairs))
        self.last = nn.Conv2d(filters[0], 1, 1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu", generator=generator)
                nn.init.zeros_(layer.bias)

    def expect(self, share: float) -> None:
        """Set the last bias so that an untrained network gives each pixel about the probability `share`.

        The last bias becomes log(share / (1 - share)) (Lin et al. 2017, "Focal loss for dense object
        detection", section 3.3). With a bias of zero every probability begins at 0.5, and the first steps of
        soft Dice lower all of them: 2 of 24 narrow networks stayed at zero for good, but none of 24 that
        began from the share.
        """
        share = min(max(share, SMALLEST_SHARE), 1 - SMALLEST_SHARE)
        nn.init.constant_(self.last.bias, math.log(share / (1 - share)))

    def forward(self, images: Tensor, *, dropout: torch.Generator | None = None) -> Tensor:
        """Return probabilities; dropout is applied only where `dropout`, its random generator, is given."""
        return torch.sigmoid(self.logits(images, dropout=dropout))

    def logits(self, images: Tensor, *, dropout: torch.Generator | None = None) -> Tensor:
        """Return log(p / (1 - p)) of the probabilities p that `forward` returns."""
        self.shape.check_patch(images.shape[-1])
        share = self.shape.dropout if dropout is not None else 0.0
        features, skipped = images, []
        for block in self.down:
            if skipped:
                features = functional.max_pool2d(features, 2)
            features = block(features, share, dropout)
            skipped.append(features)
        for block, skip in zip(self.up, reversed(skipped[:-1]), strict=True):
            features = functional.interpolate(features, scale_factor=2, mode="nearest")
            features = block(torch.cat([features, skip], dim=1), share, dropout)
        return self.last(features)


class Block(nn.Module):
    """Convolution, ReLU, dropout, convolution, ReLU at one level."""

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, filters, 3, padding=1)
        self.second = nn.Conv2d(filters, filters, 3, padding=1)

    def forward(self, features: Tensor, share: float, generator: torch.Generator | None) -> Tensor:
        """Return the block's features; `share` of the first convolution's outputs is set to zero."""
        # Not in place, which would save no time, because hooks of private training see the outputs.
        features = functional.relu(self.first(features))
        if share > 0:
            kept = torch.empty_like(features).bernoulli_(1 - share, generator=generator)
            features = features * kept / (1 - share)
        return functional.relu(self.second(features))


def soft_dice_loss(probabilities: Tensor, labels: Tensor) -> Tensor:
    """1 - (2 sum(p l) + 1) / (sum(p) + sum(l) + 1), the sums over all pixels of the batch.

    One Dice of the whole batch and not a mean over patches, as in the published code, so that a patch without
    a vessel needs no special case.
    """
    overlap = (probabilities * labels).sum()
    return 1 - (2 * overlap + SMOOTH) / (probabilities.sum() + labels.sum() + SMOOTH)


def patch_losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the loss of each patch by itself, (n,): soft Dice and `saturation_penalty` of its own pixels.

    What `soft_dice_loss` is of a batch, a patch's share in it depends on all others; so a batch's loss has no
    part that could be clipped for one patch alone.
    """
    probabilities = torch.sigmoid(logits).flatten(1)
    labels = labels.flatten(1)
    overlap = (probabilities * labels).sum(1)
    dice = (2 * overlap + SMOOTH) / (probabilities.sum(1) + labels.sum(1) + SMOOTH)
    return 1 - dice + _saturation(logits).flatten(1).mean(1)


def saturation_penalty(logits: Tensor) -> Tensor:
    """0.01 times the mean of what |logit| has above 8: a small term that brings saturated pixels back.

    Soft Dice reaches a logit through the sigmoid's slope, p (1 - p), and nothing in it limits the logits.
    Adam's first steps are large, so the logits of a narrow network swing from -3 to beyond +-100 within 25
    steps. If all of them end on one side, all slopes are 0, and the network marks nothing, or everything, for
    good. The slope of this term is the same however large a logit is. Below 8 the published loss alone
    decides. Measured by `benchmarks/dead_unets.py`.
    """
    return _saturation(logits).mean()


def _saturation(logits: Tensor) -> Tensor:
    return SATURATION_WEIGHT * functional.relu(logits.abs() - LARGEST_LOGIT)


@dataclass(frozen=True)
class TrainedUNet:
    """A U-Net ready for prediction: weights, shape, side of its patches (pixels), mean and SD of its inputs.

    The statistics are those of the training patches, each scaled to 0..255 by itself; `identity` lists what
    decided the weights: settings, seed, digests of patches and code.
    """

    weights: dict[str, Tensor]
    shape: UNetShape
    patch_size: int
    mean: float
    sd: float
    identity: dict

    def network(self, device: torch.device) -> UNet:
        """Return the network with its weights on `device`."""
        network = UNet(self.shape, generator=torch.Generator())
        network.load_state_dict(self.weights)
        return network.to(device, memory_format=torch.channels_last)

    def digest(self) -> str:
        """Return a SHA-256 of the weights and of the statistics of the inputs."""
        weights = (self.weights[name].cpu().numpy() for name in sorted(self.weights))
        return digest(np.array([self.mean, self.sd]), *weights)

    def check_form(self, shape: UNetShape, *, patch_size: int) -> None:
        """Raise ValueError where a network of this shape, on such patches, cannot start from this one."""
        if (self.shape.filters, self.patch_size) != (shape.filters, patch_size):
            raise ValueError(
                f"a U-Net of filters {self.shape.filters} for patches of {self.patch_size} pixels cannot be "
                f"the start of one of filters {shape.filters} for {patch_size}"
            )

    def save(self, path: Path) -> None:
        """Write the network to `path`, whole or not at all."""
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        checkpoint.save(path, {**fields, "shape": dataclasses.asdict(self.shape)})

    @classmethod
    def load(cls, path: Path) -> "TrainedUNet":
        """Read what `save` wrote. Raises FileNotFoundError, or DamagedError for a damaged or another file."""
        fields = checkpoint.load(path)
        if fields.keys() != {field.name for field in dataclasses.fields(cls)}:
            raise DamagedError(f"{path} is not a U-Net of this version. {REMEDY}")
        return cls(**{**fields, "shape": UNetShape(**fields["shape"])})


def find_chosen(weights: Iterable[str | Path], *, selection: str | Path) -> Path:
    """Return the one of a source's weights files whose setting the validation patients chose.

    The setting is the name of the folder that holds the weights; `selection` is the JSON file of the choice.
    Raises DamagedError where that file is damaged or chooses none of the settings.
    """
    setting = read_json(selection, keys=["setting"])["setting"]
    for path in map(Path, weights):
        if path.parent.name == setting:
            return path
    raise DamagedError(f"{selection} chooses the setting {setting}, which has no weights here. {REMEDY}")
