"""The vote: which public sets patients choose among, and what each of them may be charged for it."""

from typing import Annotated, Literal

from pydantic import Field

from privessel.study.config.fields import Positive, Section, Whole, distinct, key
from privessel.study.config.gan import UNetSetting

Several = Annotated[int, Field(ge=2)]
Epsilon = Annotated[float, Field(ge=0.01, le=20)]


class VoteUNet(UNetSetting):
    """The U-Nets of the candidates; what is not here they share with the study's U-Nets."""

    filters: tuple[Whole, ...] = key(
        "Filters of each level; small, since each candidate has a U-Net.", min_length=1
    )
    batch: Whole = key("Patches of a step.")
    epochs: Whole = key("Epochs.")
    factor_train_samples: Positive = key("How often an epoch passes over a candidate's pairs.")


class Vote(Section):
    """Training patients choose one of many public sets of labelled patches (docs/vote.md)."""

    levels: distinct(Epsilon) = key(
        "Pure eps (delta 0) of a whole patient, one vote each; [] is no vote. On patients each is charged."
    )
    run: Whole = key("Number of the votes; another one is another draw, charged in addition on patients.")
    candidates: Several = key("Public sets to choose among.")
    families: distinct(Literal["random", "wide"]) = key(
        "Families of phantom settings that the candidates' settings are drawn from, in turn.", min_length=1
    )
    phantoms: Whole = key("Phantoms of each candidate, all of its one setting.")
    shape: tuple[Whole, Whole, Whole] = key(
        "Size of a phantom: left-right, posterior-anterior, inferior-superior; about that of the scans.",
        unit="voxels",
    )
    spacing: tuple[Positive, Positive, Positive] = key(
        "Size of a voxel along the same axes: that of the scans, so that vessels are as wide in pixels. It "
        "counts as public.",
        unit="mm",
    )
    pairs: Several = key("Labelled patches of each candidate, half of them centred on vessels.")
    patches: Whole = key(
        "Patches of each training patient that judge the candidates, drawn among those of which a "
        "segmentation of the whole scan is made."
    )
    unet: VoteUNet = key("The U-Nets of the candidates.")
