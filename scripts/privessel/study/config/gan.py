"""The GAN of every architecture and level, what becomes of its generators, and the study of its epochs."""

from typing import Literal

from pydantic import create_model
from pydantic.fields import FieldInfo

from privessel.study.config.fields import (
    Device,
    LevelName,
    NotNegative,
    Positive,
    Section,
    Share,
    Whole,
    distinct,
    key,
)

PAPER = "Kossen et al. 2022"


class GanKeys(Section):
    """What decides a GAN's weights; each may differ by architecture and at private levels."""

    latent: Whole = key("Gaussian numbers that a pair is made from.", source=f"{PAPER}: 128")
    generator_width: Whole = key(
        "Filters of the generator's last hidden layer; 16 times as many in its first."
    )
    critic_width: Whole = key("Filters of the critic's first layer; 16 times as many in its last hidden one.")
    generator_norm: Literal["batch", "group"] = key(
        "Normalisation in the generator; `group` is what Opacus' converter had made of `batch`.",
        source=f"{PAPER}: batch",
    )
    critic_norm: Literal["instance", "none", "batch"] = key(
        "Normalisation in the critic; `none` lets weight clipping act on hidden layers.",
        source=f"{PAPER}: instance, without parameters",
    )
    spectral_norm: bool = key(
        "Whether critic weights are divided by their largest singular value.", source="Miyato et al. 2018"
    )
    upsampling: Literal["nearest", "transposed"] = key(
        "How the generator grows: nearest x2 and a 5 x 5 convolution, or a transposed convolution (kernel 4, "
        "stride 2), which is cheaper.",
        source="published code: nearest",
    )
    noise_map: bool = key("Whether the generator gets white noise for every pixel too; not in the paper.")
    loss: Literal["wasserstein", "cross-entropy"] = key("Loss of both nets.", source=f"{PAPER}: wasserstein")
    gradient_penalty: NotNegative = key(
        "Weight of (|gradient| - 1)^2 between real and fake; 0 turns it off.",
        source="Gulrajani et al. 2017",
    )
    optimiser: Literal["rmsprop", "adam"] = key("Optimiser of both nets.", source=f"{PAPER}: rmsprop")
    adam_betas: tuple[Share, Share] = key("Decay rates of adam; a first one of 0 is usual for WGANs.")
    generator_learning_rate: Positive = key("Learning rate of the generator.", source=f"{PAPER}: 5.0e-5")
    critic_learning_rate: Positive = key("Learning rate of the critic.", source=f"{PAPER}: 5.0e-5")
    decay_start: float = key(
        "Share of the steps after which both learning rates fall linearly to 0; 1 is never.", ge=0, le=1
    )
    label_background: float = key(
        "Value of the label channel off the vessels, where it is 1 on them; -1 uses all of tanh's range.",
        source=f"{PAPER}: 0",
        ge=-1,
        lt=1,
    )
    weight_clip: NotNegative = key(
        "Critic weights are held in [-weight_clip, weight_clip]; 0 turns it off.", source=f"{PAPER}: 0.01"
    )
    critic_steps: Whole = key(
        "Critic steps for every generator step, each on a fresh sample.", source=f"{PAPER}: 5"
    )
    batch: Whole = key(
        "Expected Poisson sample of patches, or of patients where `privacy.unit` is patient.",
        source=f"{PAPER}: 32",
    )
    generator_batch: Whole = key("Fakes in a step of critic or generator.", source=f"{PAPER}: 32")
    steps_per_epoch: Whole = key("Generator steps of an epoch.", source=f"{PAPER}: 1,281")
    epochs: Whole = key("Epochs of a run.", source=f"{PAPER}: 50")
    kept_epochs: distinct(Whole) = key(
        "Epochs whose generators are saved, drawn from and evaluated.", min_length=1
    )
    ema: Share = key("Decay of the generator's running average, used instead of its last weights; 0: off.")
    clipping_norm: Positive = key("Largest norm C of one unit's gradient.", source=f"{PAPER}: 1")
    clipping: Literal["book-keeping", "opacus"] = key("Engine that clips: the fast one or the reference.")
    fake_clipping: Literal["per-sample", "common", "centre"] = key(
        "What becomes of the fakes' gradients, free for privacy: clipped one by one; their mean scaled by "
        "one factor; or it is the centre that real gradients are clipped around."
    )
    micro_batch: Whole = key("Samples clipped at a time: bounds memory, changes results by rounding only.")


def _optional(name: str, left_out: frozenset[str], doc: str) -> type[Section]:
    """Make a section that may have any of the GAN's keys but those left out."""
    fields = {}
    for field, info in GanKeys.model_fields.items():
        if field not in left_out:
            wanted = FieldInfo.merge_field_infos(info, default=None)
            fields[field] = (info.annotation | None, wanted)
    return create_model(name, __base__=Section, __doc__=doc, **fields)


PrivateGan = _optional("PrivateGan", frozenset(), "Keys of `gan` that differ at private levels.")
# Every architecture is kept after the same epochs, so that one rule can declare them all.
ArchitectureGan = _optional(
    "ArchitectureGan",
    frozenset({"epochs", "kept_epochs"}),
    "Keys of `gan` that differ with the architecture.",
)


class Architectures(Section):
    """Keys of `gan` that differ with the architecture; they win over the common ones, `private` over them."""

    wgan: ArchitectureGan = key("The paper's GAN.", source=PAPER)
    dcgan: ArchitectureGan = key("Batch norm in the critic and cross-entropy.", source="Radford et al. 2016")
    wgan_gp: ArchitectureGan = key(
        "With a gradient penalty.", source="Gulrajani et al. 2017", alias="wgan-gp"
    )
    wgan_gp_sn: ArchitectureGan = key(
        "With a gradient penalty and spectral normalisation.",
        source="the best of Kossen et al. 2021",
        alias="wgan-gp-sn",
    )


class Gan(GanKeys):
    """The keys of every GAN, and those of them that differ."""

    checkpoint_seconds: Positive = key("A killed training loses at most this much.", unit="s")
    threads: Whole = key("Threads of torch; part of the result, so never left to the scheduler.")
    device: Device = key("auto takes CUDA where there is a GPU, else the CPU.")
    private: PrivateGan = key("Keys of `gan` that differ at private levels, such as {batch: 512}.")
    architectures: Architectures = key("Keys of `gan` that differ with the architecture.")

    def keys_of(self, arch: str, *, private: bool) -> dict[str, object]:
        """Return the keys of one GAN as plain data, threads, device and checkpoint_seconds among them."""
        chosen = self.model_dump(mode="json", exclude={"private", "architectures"})
        chosen |= getattr(self.architectures, arch.replace("-", "_")).model_dump(
            mode="json", exclude_unset=True
        )
        return chosen | (self.private.model_dump(mode="json", exclude_unset=True) if private else {})


class UNetSetting(Section):
    """One setting of a U-Net."""

    learning_rate: Positive = key("Learning rate of Adam.")
    dropout: Share = key("Share of units left out between the two convolutions of a block.")
    augment: bool = key("Whether patches are rotated, sheared and flipped.")


class EpochStudy(Section):
    """Which epoch is best, by one U-Net setting on validation patients (target `epochs`)."""

    levels: distinct(LevelName) = key("Levels that are studied.", source=f"{PAPER}: noise-0.65")
    runs: distinct(Whole) = key("Runs that are studied, those of them that the study has.")
    epochs: distinct(Whole) = key("Their generators are saved too; [] is no such study.")
    setting: UNetSetting = key("The U-Net's setting.")


class Synthesis(Section):
    """What is drawn from every kept generator."""

    pairs: Whole = key("Pairs of image and label of a generator.", source=f"{PAPER}: 41,000")
    label_threshold: float = key(
        "A pixel is vessel where the label channel is above it.", source="published code: 0.8", gt=-1, lt=1
    )
    batch: Whole = key("Pairs made at a time.")


def check_bounded(keys: dict[str, object], name: str) -> list[str]:
    """Return what would stop such a training at its first step, in sentences that begin with `name`."""
    faults = []
    if keys["gradient_penalty"] and keys["batch"] != keys["generator_batch"]:
        faults.append(
            f"{name}: gradient_penalty mixes each patch with a fake, so batch ({keys['batch']}) and "
            f"generator_batch ({keys['generator_batch']}) must be equal"
        )
    if keys["gradient_penalty"] and keys["critic_norm"] == "batch":
        faults.append(f"{name}: gradient_penalty belongs to one patch, and critic_norm batch mixes patches")
    bounds = (keys["weight_clip"], keys["gradient_penalty"], keys["spectral_norm"])
    if keys["loss"] == "wasserstein" and not any(bounds):
        faults.append(
            f"{name}: nothing bounds the critic: set weight_clip, gradient_penalty or spectral_norm"
        )
    return faults
