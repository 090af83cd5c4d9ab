"""The hyper-parameters of a C-DeID-GAN's training, as the config has them."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields

from privessel.deid.shape import HeadGanShape

OPTIMISERS = ("adamp", "adam")


@dataclass(frozen=True)
class HeadGanTraining:
    """Every hyper-parameter of a training but the networks' shape; ValueError for unusable values."""

    steps: int  # of the generator, warm-up included
    batch: int  # heads in a step
    optimiser: str  # adamp (the paper) | adam
    betas: tuple[float, float]
    generator_learning_rate: float
    discriminator_learning_rate: float
    decay_start: float  # share of the steps after which both rates fall linearly to 0; 1 = never
    ema: float  # decay of the running average of the generator, which is saved in its place; 0 = off
    warm_up: int  # first steps, in which the generator learns by reconstruction alone
    warm_up_learning_rate: float  # of the generator in these steps
    reconstruction: float  # weight of the reconstruction loss in the generator's later steps
    r1: float  # weight of the penalty on the discriminator's slope at originals; 0 = off
    r1_every: int  # the penalty is added in every so many-th step, so many times as large
    flip: bool  # heads are mirrored left to right at random
    shift: int  # heads are moved by up to so many voxels along each axis at random
    checkpoint_seconds: float  # between two saved states; 0 = after every step
    device: str  # cpu | cuda | auto
    threads: int  # of the CPU

    def __post_init__(self) -> None:
        object.__setattr__(self, "betas", tuple(self.betas))
        for name in ("steps", "batch", "r1_every", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("generator_learning_rate", "discriminator_learning_rate", "warm_up_learning_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")
        for name in ("reconstruction", "r1", "shift", "checkpoint_seconds"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be at least 0, not {getattr(self, name)}")
        if self.optimiser not in OPTIMISERS:
            raise ValueError(f"optimiser must be one of {', '.join(OPTIMISERS)}, not {self.optimiser!r}")
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError(
                f"betas must be two numbers, each at least 0 and below 1, not {list(self.betas)}"
            )
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema must be at least 0 and below 1, not {self.ema}")
        if not 0 <= self.decay_start <= 1:
            raise ValueError(f"decay_start must be between 0 and 1, not {self.decay_start}")
        if not 0 <= self.warm_up <= self.steps:
            raise ValueError(f"warm_up must be between 0 and the {self.steps} steps, not {self.warm_up}")

    def rate_factor(self, step: int) -> float:
        """Return the factor on both learning rates at a step after the warm-up, counted from 0."""
        falling = self.steps * (1 - self.decay_start)
        return min(1.0, (self.steps - step) / falling) if falling else 1.0

    def identity(self, *, device: str) -> dict[str, object]:
        """Return what decides the weights, as plain data: all but the time between checkpoints.

        device: the kind of device in use, which `auto` does not say.
        """
        fields = asdict(self)
        del fields["checkpoint_seconds"]
        return {**fields, "device": device}


def read_settings(gan: Mapping[str, object], *, size: int) -> tuple[HeadGanShape, HeadGanTraining]:
    """Return the shape and the training that the config's `deid.gan` asks for, without its keys on people.

    size: voxels a side of a head. Raises ValueError for unusable values, TypeError for other keys.
    """
    rest = dict(gan)
    form = {field.name: rest.pop(field.name) for field in fields(HeadGanShape) if field.name != "size"}
    return HeadGanShape(size=size, **form), HeadGanTraining(**rest)
