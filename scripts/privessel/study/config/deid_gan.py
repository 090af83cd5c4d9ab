"""The C-DeID-GAN of a study: which hulls it fills, whom it learns from, its networks and their training."""

from typing import Annotated, Literal

from pydantic import Field

from privessel.study import names
from privessel.study.config.fields import (
    Count,
    Device,
    HullName,
    NotNegative,
    Positive,
    Section,
    Share,
    Whole,
    distinct,
    key,
)

PAPER = "C-DeID-GAN"
_NO_APPENDIX = f"{PAPER}: in an appendix that is not public"


class HeadGanKeys(Section):
    """A GAN that makes whole heads around a brain; no head is made by one that has seen the person."""

    hulls: distinct(HullName) = key(
        "Those of `deid.hulls` that heads are made in; they are shown and attacked like any other method. "
        "None: no GAN."
    )
    folds: Annotated[int, Field(ge=2)] = key(
        "Parts that people are divided into; each has a GAN that was trained on all other parts.",
        source=f"{PAPER}: 80 % of the people train",
    )
    learns_from: Literal["public", "everyone"] = key(
        "Whose heads GANs are trained on. `public`: those of `public_heads` alone, so that the promises of "
        "`deid.hulls` hold for all heads together. `everyone`: those of `heads` too, and then they do not "
        "hold, because the head of one person comes from a GAN that has seen the faces of others.",
        source=f"{PAPER}: people of the same data set",
    )
    blocks: Literal["mobile", "plain"] = key(
        "Layers of a scale: inverted residuals of MobileNet v2, or 3 x 3 x 3 convolutions.",
        source=f"{PAPER}: mobile",
    )
    generator_widths: tuple[Whole, ...] = key(
        "Channels of the generator at each scale, from 4 voxels a side to `deid.size`.", source=_NO_APPENDIX
    )
    discriminator_widths: tuple[Whole, ...] = key("The same of the discriminator.", source=_NO_APPENDIX)
    noise: Count = key("Channels of white noise at every scale; not in the paper.")
    place: bool = key(
        "Whether each voxel is told its coordinates and heads start from the mean head; not in the paper."
    )
    steps: Whole = key("Steps of the generator, warm-up included.", source=_NO_APPENDIX)
    batch: Whole = key("Heads in a step.", source=f"{PAPER}: 2")
    optimiser: Literal["adamp", "adam"] = key("Optimiser of both networks.", source=f"{PAPER}: adamp")
    betas: tuple[Share, Share] = key("Decay rates of the optimiser.", source=f"{PAPER}: 0 and 0.99")
    generator_learning_rate: Positive = key("Learning rate of the generator.", source=f"{PAPER}: 2.0e-3")
    discriminator_learning_rate: Positive = key(
        "Learning rate of the discriminator.", source=f"{PAPER}: 2.0e-3"
    )
    decay_start: float = key(
        "Share of the steps after which both learning rates fall linearly to 0; 1 is never.", ge=0, le=1
    )
    ema: Share = key(
        "Decay of the generator's running average, used instead of its last weights; 0: off.",
        source="MSG-GAN",
    )
    warm_up: Count = key(
        "First steps, in which the generator learns to reconstruct heads without an opponent; not in the "
        "paper."
    )
    warm_up_learning_rate: Positive = key("Learning rate of the generator in these steps.")
    reconstruction: NotNegative = key(
        "Weight of the reconstruction loss in the later steps; not in the paper."
    )
    r1: NotNegative = key(
        "Weight of the penalty on the discriminator's slope at originals; 0 turns it off.",
        source="Mescheder et al. 2018; not in the paper",
    )
    r1_every: Whole = key("It is added in every so many-th step, so many times as large.")
    flip: bool = key("Whether heads are mirrored left to right at random; not in the paper.")
    shift: Count = key("Heads are moved by up to so many voxels at random; not in the paper.", unit="voxels")
    checkpoint_seconds: NotNegative = key("Time between two saved states of a training.", unit="s")
    device: Device = key("Where GANs are trained and make heads.")
    threads: Whole = key("CPU threads of a training; more or fewer give other bits.")


def check_head_gan(gan: HeadGanKeys, *, hulls: tuple[str, ...], size: int) -> list[str]:
    """Return what does not fit together, in sentences; `hulls` and `size` are those of `deid`."""
    if not gan.hulls:
        return []
    faults = [
        f"deid.gan.hulls has {hull}, which is not in deid.hulls" for hull in gan.hulls if hull not in hulls
    ]
    scales = (size // names.COARSEST).bit_length()
    for name in ("generator_widths", "discriminator_widths"):
        if len(widths := getattr(gan, name)) != scales:
            faults.append(
                f"deid.gan.{name} has {len(widths)} numbers, but heads of {size} voxels a side have {scales} "
                f"scales, one for each doubling from {names.COARSEST} voxels on"
            )
    if gan.warm_up > gan.steps:
        faults.append(f"deid.gan.warm_up is {gan.warm_up}, more than the {gan.steps} of deid.gan.steps")
    return faults
