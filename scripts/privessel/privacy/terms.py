"""What every private training's hyper-parameters have in common, whatever is trained."""


class PrivateTerms:
    """The terms of a training whose privacy is accounted for; a GAN's and a U-Net's are dataclasses of it."""

    unit: str  # the privacy unit, which the noise hides: patch | patient
    units: int  # public number of privacy units that each sample is drawn from
    batch: int  # patches, or expected privacy units, of a step
    noise_multiplier: float | None  # None: no noise, and no privacy
    clipping_norm: float
    grid_bits: int
    patient_patches: int  # patches that a sampled patient gives to a step, where the unit is the patient
    region_patches: int
    delta: float  # delta of a patch
    patient_delta: float  # delta of a patient

    @property
    def private(self) -> bool:
        """Whether gradients are clipped and noise is added to them."""
        return self.noise_multiplier is not None

    @property
    def by_patient(self) -> bool:
        """Whether whole patients are sampled and clipped, rather than patches."""
        return self.private and self.unit == "patient"

    @property
    def patches_per_unit(self) -> int:
        """The patches that a sampled unit gives to a step."""
        return self.patient_patches if self.by_patient else 1

    @property
    def sampling_rate(self) -> float:
        """The probability of each privacy unit to be in a step's sample."""
        return self.batch / self.units

    @property
    def unit_delta(self) -> float:
        """The delta of the privacy unit."""
        return self.patient_delta if self.by_patient else self.delta
