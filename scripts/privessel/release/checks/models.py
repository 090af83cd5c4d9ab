"""The words of a release that is a model and has no data: a U-Net that patients trained with noise.

`numbers` is privacy.json. A model is known by its architecture (`words.is_model`).
"""

from privessel.release.checks.words import TRAINING_NOT_COVERED

MODEL_NOT_COVERED = (
    "Patients whose scans chose or judged models (validation and test patients): this model did not learn "
    "from them, but models were compared on them.",
    *TRAINING_NOT_COVERED,
    "Look-alikes: the model may know anatomy that is common to many people. That tells nothing about one of "
    "them.",
)


def tell_training(numbers: dict) -> str:
    """Return how the model was trained, and which of it saw patients."""
    unit = numbers["unit"]
    return (
        "The model is a U-Net that marks vessels in patches. It was first trained on simulated or public "
        "scans alone, and so were the mean and the standard deviation that its inputs are scaled by. Then it "
        "was trained further on patients. In each of those steps it took a fresh random sample, in which "
        "every "
        f"{unit} was or was not by a coin of its own (Poisson sampling); it bounded what each {unit} could "
        f"change (norm of its gradient at most C = {numbers['clipping_norm']:g}), and added normal noise to "
        "the sum, as wide as the noise multiplier times what one could change in it. Every such step counts "
        "in eps. Whatever is computed from the model alone, also by its recipient, costs no more."
    )


def tell_inputs(numbers: dict) -> str:
    """Return how the card says the model is used."""
    size = numbers["data"]["size"]
    return (
        f"Cut a brain-masked TOF-MRA scan (time-of-flight magnetic resonance angiography) into axial patches "
        f"of {size} x {size} pixels. Scale each patch by its own minimum and maximum to 0..255, subtract "
        "`mean` and divide by `sd`. A pixel is vessel where the sigmoid of the model's output is above 0.5. "
        "The net itself is `privessel.unet.net.UNet` with `shape`; its layers are named in `weights`."
    )
