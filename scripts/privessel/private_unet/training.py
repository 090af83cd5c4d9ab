"""Every number that a private U-Net's training is made of, apart from its start."""

from dataclasses import dataclass

from privessel.limits import UNITS
from privessel.privacy.mechanism import SampledGaussian
from privessel.privacy.terms import PrivateTerms


@dataclass(frozen=True)
class PrivateTraining(PrivateTerms):
    """The hyper-parameters of a private U-Net's training; ValueError for values that cannot be used.

    None of them may be chosen by looking at training patients (docs/mechanism.md, rule 5).
    """

    learning_rate: float  # of Adam
    batch: int  # expected number of privacy units in a step's Poisson sample
    units: int  # public number of privacy units (patches or patients) that each sample is drawn from
    steps: int
    noise_multiplier: float
    clipping_norm: float  # C: the largest norm of one unit's gradient
    micro_batch: int  # patches that a step processes at a time
    unit: str  # the privacy unit, which the noise hides: patch | patient
    patient_patches: int  # patches that a sampled patient gives to a step, where the unit is the patient
    delta: float  # delta of a patch
    patient_delta: float  # delta of a patient
    region_patches: int  # patches of a patient that show one same place on a vessel, at most; a public number
    grid_bits: int  # sum and noise of a step are multiples of clipping_norm / 2^grid_bits

    def __post_init__(self) -> None:
        for name in ("units", "steps", "patient_patches", "region_patches"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be above 0, not {self.learning_rate}")
        if self.unit not in UNITS:
            raise ValueError(f"unit must be one of {', '.join(UNITS)}, not {self.unit!r}")
        if self.batch > self.units:
            raise ValueError(f"{self.units} units are fewer than a batch of {self.batch}")
        self.mechanism()

    def mechanism(self) -> SampledGaussian:
        """Return the parameters of a step's mechanism."""
        return SampledGaussian(
            noise_multiplier=self.noise_multiplier,
            clipping_norm=self.clipping_norm,
            batch=self.batch,
            patches_per_unit=self.patches_per_unit,
            micro_batch=self.micro_batch,
            grid_bits=self.grid_bits,
        )
