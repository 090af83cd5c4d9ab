"""What a site decides about its release (the config's `release`)."""

from collections.abc import Mapping
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Terms:
    """Texts, limits and choices of a release; `description` is all that it says about the cohort."""

    name: str
    description: str
    creators: tuple[str, ...]
    licence: str  # a key of checks.licences.LICENCES
    weights: bool  # whether the generator is released, too
    epsilon: float  # the most that a patient's composed eps may be, at `delta`
    delta: float  # of a patch
    patient_delta: float  # of a patient
    max_region_epsilon: float  # the most that a region's composed eps may be, at `delta`
    region_reason: str | None  # the site's reason to release a region's eps above that; it is published
    override: str | None  # the site's reason to release against a refusal; it is published with the data

    @classmethod
    def from_config(cls, release: Mapping) -> "Terms":
        """Return the terms of a config's `release`."""
        given = {field.name: release[field.name] for field in fields(cls)}
        return cls(**given | {"creators": tuple(release["creators"])})

    def unit_delta(self, unit: str) -> float:
        """Return the delta of the privacy unit, patch or patient."""
        return self.patient_delta if unit == "patient" else self.delta
