"""What de-identified heads are tested for: an age network, and gammas made larger and smaller."""

from typing import Annotated

from pydantic import Field

from privessel.study.config.fields import (
    Count,
    Device,
    NotNegative,
    Positive,
    Section,
    Whole,
    distinct,
    key,
)

_PAPER = "C-DeID-GAN"


class AgeKeys(Section):
    """The age network: a three-dimensional ResNet-18 trained on whole unaltered heads of `public_heads`."""

    steps: Count = key("Steps of the training; 0: no network and no ages.", source=f"{_PAPER} does not say")
    width: Whole = key(
        "Channels of the first stage, doubled in each of the three later ones.", source="ResNet-18: 64"
    )
    batch: Annotated[int, Field(ge=2)] = key("Heads in a step.", source=f"{_PAPER} does not say")
    learning_rate: Positive = key("Learning rate of AdamW at the start; it falls linearly to 0.")
    weight_decay: NotNegative = key("Weight decay of AdamW.")
    checkpoint_seconds: NotNegative = key("Time between two saved states of the training.", unit="s")
    device: Device = key("Where the network is trained; ages are read on the CPU.")
    threads: Whole = key("CPU threads of the training; more or fewer give other bits.")


class ScalingKeys(Section):
    """Figure 5: what comes of a gamma that is made larger or smaller."""

    factors: distinct(Annotated[float, Field(ge=0.5, le=1.5)]) = key(
        "Factors on the side of gamma's volumes.", source=f"{_PAPER}: 0.85 to 1.15", min_length=2
    )
    people: Whole = key("People of `heads` whose volumes are measured, at most; their first scans.")
