"""The private U-Net: a model that learns from patients by noisy gradients, in place of data."""

from privessel.study.config.fields import (
    CohortName,
    Positive,
    PrivateLevelName,
    Section,
    Whole,
    distinct,
    key,
)
from privessel.study.config.gan import UNetSetting


class PrivateUNet(Section):
    """A public U-Net that is trained further on patients, by noisy gradients (docs/private-unet.md)."""

    levels: distinct(PrivateLevelName) = key(
        "Levels of its noise, as those of GANs but never inf: noise-x, or eps-x for the least noise whose "
        "valid eps of a unit (`privacy.unit`) after all steps is at most x; [] is none. On patients each run "
        "is charged."
    )
    runs: Whole | distinct(Whole) = key("U-Nets of each level: how many, or a list of their numbers.")
    start: CohortName = key(
        "One of public_baselines: the training goes on from its U-Net, so that no patient decides the start; "
        "mean and SD of the inputs are its own, because those of patients would tell about patients."
    )
    setting: UNetSetting = key(
        "The one setting of that U-Net, fixed here, so that no validation patient chooses it; best one of "
        "`unet.grid`, which is trained anyway."
    )
    clip_norm: Positive = key(
        "Largest norm of one unit's gradient, which is clipped to it. Fixed and public: it is not measured "
        "on patients, whose median norm would tell about them and was 0 where a net was saturated."
    )
    batch: Whole = key(
        "Expected Poisson sample of patches, or of patients where `privacy.unit` is patient; the sum of a "
        "step is divided by it."
    )
    steps: Whole = key("Steps of a run, each on a fresh sample; each is charged.")
    learning_rate: Positive = key("Learning rate of Adam, which moves along the noisy gradients.")
