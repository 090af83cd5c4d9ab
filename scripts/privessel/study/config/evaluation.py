"""U-Nets, whole-volume prediction, baselines, transfer learning and image quality."""

from typing import Annotated

from pydantic import Field, field_validator

from privessel.study.config.fields import (
    Device,
    GanLevel,
    OptionalLocation,
    Positive,
    Section,
    Share,
    Whole,
    distinct,
    key,
)
from privessel.study.config.gan import PAPER, UNetSetting

Several = Annotated[int, Field(ge=2)]


class Grid(Section):
    """Every combination is trained; validation patients choose one per source."""

    learning_rate: distinct(Positive) = key(
        "Learning rates of Adam.", source=f"{PAPER}: 1e-4, 8e-5", min_length=1
    )
    dropout: distinct(Share) = key("Shares of dropout.", source=f"{PAPER}: 0, 0.1", min_length=1)
    augment: distinct(bool) = key(
        "Rotation by up to 30 degrees, shear by up to 20, vertical flip.", source=PAPER, min_length=1
    )


class UNet(Section):
    """The U-Net that every source of pairs trains."""

    filters: tuple[Whole, ...] = key(
        "Filters of each level.", source="Livne et al. 2019: 32 to 512", min_length=1
    )
    batch: Whole = key("Patches of a step.", source="published code: 64")
    epochs: Whole = key("Epochs.", source="published code: 15")
    factor_train_samples: Positive = key(
        "How often an epoch passes over the pairs.", source="published code: 2"
    )
    ema: Share = key(
        "Decay of the running average of the weights, which is used instead of the last ones; 0: off.",
        source="published code: 0",
    )
    grid: Grid = key("Settings that are tried.")
    checkpoint_seconds: Positive = key("A killed training loses at most this much.", unit="s")
    threads: Whole = key("Threads of torch; part of the result.")
    device: Device = key("auto takes CUDA where there is a GPU, else the CPU.")


class Transfer(UNetSetting):
    """Few patients of the second test cohort, pre-trained or from scratch (Kossen et al. 2021)."""

    sources: distinct(GanLevel) = key("GANs (arch/level) whose chosen U-Nets of run 1 are starts.")
    patients: distinct(Whole) = key("Numbers of patients trained on; [] is no such study.")
    draws: Whole = key("How often that many patients are drawn.")
    epochs: Whole = key("Epochs, for all starts alike.")


class Prediction(Section):
    """Whole volumes, patch by patch."""

    stride: Whole = key(
        "Distance of neighbouring patches: the patch size puts them side by side, less averages them.",
        unit="pixels",
        source=f"{PAPER}: 96",
    )
    batch: Whole = key("Patches predicted at a time.")


class Baselines(Section):
    """What a user would try first; cut-offs are chosen on the validation patients."""

    frangi_sigmas: tuple[tuple[Positive, ...], ...] = key(
        "Sets of scales of the vesselness filter; the best set is taken.", unit="mm", min_length=1
    )
    candidates: Several = key("Cut-offs tried: quantiles of the brain's values.")

    @field_validator("frangi_sigmas")
    @classmethod
    def _have_scales(cls, sets: tuple[tuple[float, ...], ...]) -> tuple[tuple[float, ...], ...]:
        if not all(sets):
            raise ValueError("a set of scales is empty")
        return sets


class Quality(Section):
    """Distance to real images, similarity and t-SNE (sections 3.5 and 4 of the paper)."""

    frechet_images: Several = key(
        "Images of every set that is compared; the distance falls with their number."
    )
    inception_weights: OptionalLocation = key(
        "Your file of FID's Inception-v3 weights (weights-inception-2015-12-05-6726825d.pth), checked by its "
        'SHA-256. "" takes EfficientNet-Lite0, and the distance is then not called FID.'
    )
    ssim_images: Several = key("Images all of whose pairs are compared.", source=f"{PAPER}: 1,000")
    tsne_images: Several = key("Images of every set in the embedding; the paper does not say how many.")
    perplexity: Positive = key("Perplexity of t-SNE.", source=f"{PAPER}: 30")
    threads: Whole = key("Threads of torch.")
    device: Device = key("auto takes CUDA where there is a GPU, else the CPU.")
