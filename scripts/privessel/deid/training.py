"""The hyper-parameters of a C-DeID-GAN's training, and the two sets of them that this project uses."""

from dataclasses import asdict, dataclass

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


# The study: what section 4.1 and 3.2 of the paper say (128 voxels a side, mobile blocks, AdamP with 2e-3 and
# betas 0 and 0.99, batches of 2). Widths and the number of steps stood in its appendix, which was never
# published, so they are ours; so is the running average, as in MSG-GAN. What the paper does not mention
# is off: noise at every scale, place, warm-up, reconstruction, R1, falling rates, mirrored or moved heads.
PAPER_SHAPE = HeadGanShape(
    size=128,
    blocks="mobile",
    generator_widths=(64, 64, 32, 16, 16, 8),
    discriminator_widths=(64, 64, 32, 16, 16, 8),
    noise=0,
    place=False,
)
PAPER_TRAINING = HeadGanTraining(
    steps=100_000,
    batch=2,
    optimiser="adamp",
    betas=(0.0, 0.99),
    generator_learning_rate=2e-3,
    discriminator_learning_rate=2e-3,
    decay_start=1.0,
    ema=0.999,
    warm_up=0,
    warm_up_learning_rate=2e-3,
    reconstruction=0.0,
    r1=0.0,
    r1_every=8,
    flip=False,
    shift=0,
    checkpoint_seconds=300,
    device="auto",
    threads=4,
)

# The demo: what trains heads of 32 voxels a side in minutes on a CPU. All of it is ours and was measured on
# simulated heads (benchmarks/deid_gan.py, docs/deid.md). With the paper's rates, and neither warm-up nor R1
# nor reconstruction, the loss of the discriminator was 0.07 after 100 steps. With 6e-4 for the
# discriminator and R1 of 10 it still fell to 0.06 by step 950, and faces were rough and without noses. With
# the values below it stays above 0.3. A generator of 24 and 12 channels at the two finest scales is 1.7 times
# as fast, but skin and slices have more flaws.
DEMO_SHAPE = HeadGanShape(
    size=32,
    blocks="plain",
    generator_widths=(48, 48, 32, 24),
    discriminator_widths=(48, 48, 24, 12),
    noise=1,
    place=True,
)
DEMO_TRAINING = HeadGanTraining(
    steps=950,
    batch=2,
    optimiser="adam",
    betas=(0.0, 0.99),
    generator_learning_rate=8e-4,
    discriminator_learning_rate=3e-4,
    decay_start=0.5,
    ema=0.99,
    warm_up=450,
    warm_up_learning_rate=2e-3,
    reconstruction=1.0,
    r1=50.0,
    r1_every=8,
    flip=True,
    shift=1,
    checkpoint_seconds=60,
    device="cpu",
    threads=1,
)
