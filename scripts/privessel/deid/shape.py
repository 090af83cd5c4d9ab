"""What decides the form of the two networks."""

from dataclasses import dataclass

from privessel.study.names import COARSEST

BLOCKS = ("mobile", "plain")


@dataclass(frozen=True)
class HeadGanShape:
    """Everything that decides the form of the networks; ValueError for a form that cannot be built.

    A width is the number of channels at one scale, listed from 4^3 voxels to size^3.
    """

    size: int  # voxels a side of a head: a power of two, at least 8 (the paper: 128)
    blocks: str  # mobile (the paper): inverted residuals of MobileNet v2 | plain: 3 x 3 x 3 convolutions
    generator_widths: tuple[int, ...]
    discriminator_widths: tuple[int, ...]
    noise: int  # channels of white noise at every scale beside the noise at the start; 0 = none (the paper)
    place: bool  # every voxel is told its coordinates, and images start from the mean head; not in the paper

    def __post_init__(self) -> None:
        for name in ("generator_widths", "discriminator_widths"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.size < 2 * COARSEST or self.size & (self.size - 1):
            raise ValueError(f"size must be a power of two and at least 8, not {self.size}")
        for name in ("generator_widths", "discriminator_widths"):
            widths = getattr(self, name)
            if len(widths) != self.scales or min(widths) < 1:
                raise ValueError(
                    f"{name} must have {self.scales} positive numbers for heads of {self.size} voxels a "
                    f"side, one for every scale from {COARSEST} on, not {list(widths)}"
                )
        if self.blocks not in BLOCKS:
            raise ValueError(f"blocks must be one of {', '.join(BLOCKS)}, not {self.blocks!r}")
        if self.noise < 0:
            raise ValueError(f"noise must be at least 0, not {self.noise}")

    @property
    def scales(self) -> int:
        """The number of scales, log2(size / 4) + 1."""
        return (self.size // COARSEST).bit_length()
