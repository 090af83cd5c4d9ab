"""Every number that a U-Net's training is made of, apart from the network's shape."""

from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class UNetTraining:
    """Every hyper-parameter of a training but the network's shape; ValueError for values that cannot be used.

    The names are those of the config's section `unet`; the paper's values are in Kossen et al. 2022.
    """

    learning_rate: float  # of Adam
    batch: int  # patches in a step
    epochs: int
    factor_train_samples: float  # an epoch passes this often over the patches
    augment: bool  # rotate, shear and mirror every patch at random
    ema: float  # decay of the running average of the weights, which is the result; 0 = the last weights
    checkpoint_seconds: float  # between two saved states; 0 = after every step
    device: str  # cpu | cuda | auto
    threads: int  # of the CPU

    def __post_init__(self) -> None:
        for name in ("batch", "epochs", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("learning_rate", "factor_train_samples"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema must be at least 0 and below 1, not {self.ema}")
        if not self.checkpoint_seconds >= 0:
            raise ValueError(f"checkpoint_seconds must be at least 0, not {self.checkpoint_seconds}")

    def steps_per_epoch(self, patches: int) -> int:
        """Return the steps that an epoch takes over so many patches. Raises ValueError where it is none."""
        steps = int(self.factor_train_samples * patches) // self.batch
        if steps < 1:
            raise ValueError(
                f"an epoch over {patches} patches has no whole batch of {self.batch}. Remedy: take more "
                "patches, a smaller batch or a larger factor_train_samples"
            )
        return steps

    def identity(self, *, device: str) -> dict[str, object]:
        """Return what decides the weights, as plain data: all but the time between checkpoints.

        device: the kind of device in use, which `auto` does not say.
        """
        fields = asdict(self)
        del fields["checkpoint_seconds"]
        return {**fields, "device": device}
