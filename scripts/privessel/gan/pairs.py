"""The labelled patches that a GAN is trained on, in memory and on the training device."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from privessel.gan.nets import GanShape
from privessel.gan.training import GanTraining


@dataclass(frozen=True)
class TrainingPatches:
    """The patches of one run: n of training patients, and optionally m of held-out patients."""

    images: NDArray[np.float32]  # (n, s, s) in [-1, 1]
    labels: NDArray[np.bool_]  # (n, s, s)
    patients: NDArray[np.integer]  # (n,) the patient of each patch, counted from 0
    # Images and labels (m, s, s) of held-out patients. They are scored for the history and never trained on.
    validation: tuple[NDArray[np.float32], NDArray[np.bool_]] | None = None

    def check(self, shape: GanShape, training: GanTraining) -> None:
        """Raise ValueError where these patches cannot be used to train such a GAN."""
        images, labels, patients = self.images, self.labels, self.patients
        expected = (len(images), shape.patch, shape.patch)
        if images.shape != expected or labels.shape != expected:
            raise ValueError(f"images {images.shape} and labels {labels.shape} must both be {expected}")
        if images.dtype != np.float32 or labels.dtype != bool:
            raise ValueError(f"images must be float32 and labels bool, not {images.dtype} and {labels.dtype}")
        if patients.shape != (len(images),):
            raise ValueError(
                f"patients has the shape {patients.shape}, but must name one patient for each of the "
                f"{len(images)} patches"
            )
        counts = np.bincount(patients)
        units, noun = (len(counts), "patients") if training.by_patient else (len(images), "patches")
        if (fewest := min(units, training.units)) < training.batch:
            raise ValueError(f"{fewest} {noun} are fewer than a batch of {training.batch}")
        if training.by_patient and counts.min() < training.patient_patches:
            raise ValueError(
                f"a patient has {counts.min()} patches, fewer than the {training.patient_patches} that a "
                "sampled patient gives to a step"
            )


class Pairs:
    """Labelled patches on the training device: images (n, s, s) float32 in [-1, 1], labels (n, s, s) bool.

    patients (n,) is the patient of each patch, counted from 0. In what the critic sees, the label channel is
    1 on vessels and `background` everywhere else.
    """

    def __init__(
        self,
        images: np.ndarray,
        labels: np.ndarray,
        *,
        patients: np.ndarray,
        device: str,
        background: float,
    ) -> None:
        self.background = background
        self.of_patient = [np.flatnonzero(patients == patient) for patient in range(patients.max() + 1)]
        self.images, self.labels = torch.from_numpy(images).to(device), torch.from_numpy(labels).to(device)

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: np.ndarray) -> Tensor:
        """Return (m, 2, s, s) float32: image in [-1, 1], label 1 on vessels and `background` elsewhere."""
        chosen = torch.from_numpy(indices).to(self.images.device)
        labels = torch.where(self.labels[chosen], 1.0, self.background)
        return torch.stack([self.images[chosen], labels], dim=1)
