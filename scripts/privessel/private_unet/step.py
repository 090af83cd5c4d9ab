"""A U-Net in private training, and its step: the only place where it meets patients.

One step is one Poisson-sampled Gaussian mechanism, the same as that of a private critic (docs/mechanism.md):
a fresh sample of the privacy units, the loss's gradient of every sampled unit clipped, noise added once to
their sum, and the result divided by the expected batch. There are no fakes, no dropout and no augmentation.
Adam and the weights it makes are post-processing of that gradient, and cost no privacy.
"""

import numpy as np
import torch
from torch import Tensor, nn

from privessel.cohort.patches import rescale
from privessel.privacy.clipping import Clipping
from privessel.privacy.keys import Stream
from privessel.privacy.mechanism import CLIPPING, noisy_mean, sample_patches
from privessel.private_unet.training import PrivateTraining
from privessel.unet.net import TrainedUNet, UNet, patch_losses

ENGINE = "book-keeping"  # of privacy.mechanism.CLIPPING; the other one is a slow reference for tests


class PatchLoss(nn.Module):
    """The loss of each patch by itself, as a net whose outputs can be clipped one by one.

    Its inputs hold a standardised image and its label, (n, 2, s, s). Raises PrivacyError, by name, for a
    U-Net with a layer whose gradients cannot be clipped, once it is given to `Clipping`.
    """

    def __init__(self, network: UNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, patches: Tensor) -> Tensor:
        """(n, 2, s, s) to (n,)."""
        images = patches[:, :1].contiguous(memory_format=torch.channels_last)
        return patch_losses(self.network.logits(images), patches[:, 1:])


class LabelledPatches:
    """The training patches on the training device, as `PatchLoss` takes them.

    images (n, s, s) of any scale, each of which is scaled to 0..255 by its own minimum and maximum; labels
    (n, s, s) bool; patients (n,) the patient of each patch, counted from 0. `start` gives the mean and the SD
    that standardise them: those of patients would tell about patients.
    """

    def __init__(
        self, images: np.ndarray, labels: np.ndarray, patients: np.ndarray, *, start: TrainedUNet, device: str
    ) -> None:
        self.of_patient = [np.flatnonzero(patients == patient) for patient in range(patients.max() + 1)]
        self._images, self._labels, self._device = images, labels, device
        self._mean, self._sd = start.mean, start.sd

    def take(self, indices: np.ndarray) -> Tensor:
        """Return the patches of these indices, (m, 2, s, s) float32; m may be 0."""
        images = (rescale(self._images[indices], 0, 255) - self._mean) / self._sd
        patches = np.stack([images, self._labels[indices]], axis=1).astype(np.float32)
        return torch.from_numpy(patches).to(self._device)


class PrivateUNet:
    """The net, its optimiser, and everything else that the next training step depends on.

    Every random number comes from `stream`, by its purpose and the number of the step. Raises PrivacyError
    for a net with layers that cannot be clipped.
    """

    def __init__(self, start: TrainedUNet, training: PrivateTraining, *, stream: Stream, device: str) -> None:
        self.training, self.stream = training, stream
        self.step = 0
        self.network = start.network(torch.device(device))
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=training.learning_rate)
        self.clipping = clip_patches(self.network)

    def advance(self, data: LabelledPatches) -> None:
        """Take one step."""
        gradient = private_unet_gradient(
            self.clipping, data, training=self.training, stream=self.stream, step=self.step
        )
        for parameter, slope in zip(self.network.parameters(), gradient, strict=True):
            parameter.grad = slope
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.step += 1

    def weights(self) -> dict[str, Tensor]:
        """Return the weights as they are now, on the CPU."""
        return {
            name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, value in self.network.state_dict().items()
        }

    def state(self) -> dict:
        """Return everything that `restore` needs, as plain data and tensors."""
        return {
            "step": self.step,
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def restore(self, state: dict) -> None:
        """Continue from a state that `state` returned."""
        self.step = state["step"]
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(state["optimiser"])


def clip_patches(network: UNet, *, engine: str = ENGINE) -> Clipping:
    """Return what sums the clipped gradients of a U-Net's losses; PrivacyError for what it cannot clip."""
    return CLIPPING[engine](PatchLoss(network))


def private_unet_gradient(
    clipping: Clipping,
    data: LabelledPatches,
    *,
    training: PrivateTraining,
    stream: Stream,
    step: int,
) -> list[Tensor]:
    """Return the noisy gradient of the mean loss at a step, one tensor a parameter.

    `stream` and `step` fix the sample and the noise: the same two give the same gradient again.
    """
    sample = sample_units(data, training=training, stream=stream, step=step)
    return mean_loss_gradient(clipping, sample, training=training, stream=stream, step=step)


def sample_units(data: LabelledPatches, *, training: PrivateTraining, stream: Stream, step: int) -> Tensor:
    """Draw the patches of a step, (m, 2, s, s), by Poisson sampling of the privacy units; m may be 0."""
    each = training.patient_patches if training.by_patient else None
    rate = training.sampling_rate
    return data.take(sample_patches(stream, step=step, of_patient=data.of_patient, rate=rate, each=each))


def mean_loss_gradient(
    clipping: Clipping, sample: Tensor, *, training: PrivateTraining, stream: Stream, step: int
) -> list[Tensor]:
    """Return the noisy gradient of the mean loss over a step's `sample`, unit after unit."""
    mechanism = training.mechanism()
    return noisy_mean(clipping, sample, weight=1.0, stream=stream, step=step, mechanism=mechanism)
