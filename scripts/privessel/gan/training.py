"""The hyper-parameters of a GAN's training: everything but the shape of its nets."""

from dataclasses import dataclass

from privessel.gan.losses import LOSSES
from privessel.limits import UNITS
from privessel.privacy.mechanism import CLIPPING, Mechanism
from privessel.privacy.terms import PrivateTerms


@dataclass(frozen=True)
class GanTraining(PrivateTerms):
    """Every hyper-parameter of a run except the shape of its nets.

    Raises ValueError for values that cannot be used.
    """

    batch: int  # real patches in a critic step; in a private run the expected number of privacy units
    units: int  # public number of privacy units (patches or patients) that each sample is drawn from
    generator_batch: int  # fakes in a step of critic or generator
    critic_steps: int  # critic steps in a generator step, each on a fresh sample
    steps_per_epoch: int  # generator steps
    epochs: int
    kept_epochs: tuple[int, ...]  # epochs after which the generator is saved, counted from 1
    optimiser: str  # rmsprop (the paper) | adam
    adam_betas: tuple[float, float]
    generator_learning_rate: float
    critic_learning_rate: float
    decay_start: float  # share of the steps after which both learning rates fall linearly to 0; 1 = never
    loss: str  # wasserstein (the paper) | cross-entropy (of logits; Radford et al. 2016)
    weight_clip: float  # the critic's weights are held in [-weight_clip, weight_clip]; 0 = off
    gradient_penalty: float  # weight of the penalty of Gulrajani et al. 2017 (eq. 3); 0 = off
    spectral_norm: bool  # the critic's weights are divided by their spectral norm (Miyato et al. 2018)
    ema: float  # decay of the running average of the generator, which is saved in its place; 0 = off
    noise_multiplier: float | None  # None: no noise, no clipping, no privacy (level `inf`)
    clipping_norm: float  # C: the largest norm of one unit's gradient
    clipping: str  # how it is computed: book-keeping | opacus
    fake_clipping: str  # how the fakes' gradient is bounded: per-sample | common | centre (see Mechanism)
    micro_batch: int  # patches and fakes that a critic step processes at a time
    label_background: float  # value of the label channel outside vessels, on which it is 1: 0 (paper) or -1
    unit: str  # the privacy unit, which the noise hides: patch (the paper) | patient
    patient_patches: int  # patches that a sampled patient gives to a step, where the unit is the patient
    delta: float  # delta of a patch
    patient_delta: float  # delta of a patient
    region_patches: int  # patches of a patient that show one same place on a vessel, at most; a public number
    grid_bits: int  # sum and noise of a private step are multiples of clipping_norm / 2^grid_bits

    def __post_init__(self) -> None:
        for name in (
            "batch",
            "units",
            "generator_batch",
            "critic_steps",
            "steps_per_epoch",
            "epochs",
            "micro_batch",
            "patient_patches",
            "region_patches",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("generator_learning_rate", "critic_learning_rate"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")
        for name in ("weight_clip", "gradient_penalty"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be at least 0, not {getattr(self, name)}")
        if self.gradient_penalty and not self.private and self.batch != self.generator_batch:
            raise ValueError(
                f"gradient_penalty mixes every real patch with a fake: batch ({self.batch}) and "
                f"generator_batch ({self.generator_batch}) must be equal"
            )
        if not self.kept_epochs or not set(self.kept_epochs) <= set(range(1, self.epochs + 1)):
            raise ValueError(f"kept_epochs {self.kept_epochs} must name some of the {self.epochs} epochs")
        if not -1 <= self.label_background < 1:
            raise ValueError(f"label_background must be at least -1 and below 1, not {self.label_background}")
        if not 0 <= self.decay_start <= 1:
            raise ValueError(f"decay_start must be between 0 and 1, not {self.decay_start}")
        if not 0 <= self.ema < 1:
            raise ValueError(f"ema must be at least 0 and below 1, not {self.ema}")
        choices = {
            "optimiser": ("rmsprop", "adam"),
            "loss": tuple(LOSSES),
            "clipping": tuple(CLIPPING),
            "unit": UNITS,
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, not {getattr(self, name)!r}")
        bounds = (self.weight_clip, self.gradient_penalty, self.spectral_norm)
        if self.loss == "wasserstein" and not any(bounds):
            raise ValueError(
                "nothing bounds the critic, so its wasserstein loss can grow without end. Remedy: set "
                "weight_clip, gradient_penalty or spectral_norm"
            )
        if self.private:
            self.mechanism()

    @property
    def steps(self) -> int:
        """Generator steps of the whole run."""
        return self.epochs * self.steps_per_epoch

    def rate_factor(self, step: int) -> float:
        """Return the factor on both learning rates at a generator step, counted from 0."""
        falling = self.steps * (1 - self.decay_start)
        return min(1.0, (self.steps - step) / falling) if falling else 1.0

    def mechanism(self) -> Mechanism:
        """Return the parameters of a private critic step."""
        return Mechanism(
            noise_multiplier=self.noise_multiplier,
            clipping_norm=self.clipping_norm,
            batch=self.batch,
            patches_per_unit=self.patches_per_unit,
            generator_batch=self.generator_batch,
            fake_clipping=self.fake_clipping,
            micro_batch=self.micro_batch,
            grid_bits=self.grid_bits,
        )
