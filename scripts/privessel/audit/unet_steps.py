"""The audit of single private steps (see `steps`) for a private U-Net, by the code that trains it."""

import torch

from privessel.audit.steps import Probe, StepFinding, Subject, count_canaries, draw_units, examine
from privessel.privacy.keys import Stream
from privessel.privacy.mechanism import CLIPPING
from privessel.private_unet.step import ENGINE, PatchLoss, mean_loss_gradient, sample_units
from privessel.private_unet.training import PrivateTraining
from privessel.unet.net import TrainedUNet


def audit_unet_steps(
    start: TrainedUNet,
    training: PrivateTraining,
    *,
    stream: Stream,
    guesses: int,
    confidence: float,
    device: str = "cpu",
) -> StepFinding:
    """Return what about `guesses` guesses show of the private steps of such a training from `start`.

    `stream` draws samples, noise and the coins.
    """
    canaries = count_canaries(start.patch_size)
    probe = Probe(PatchLoss(start.network(torch.device(device))), canaries)
    clipping, mechanism = CLIPPING[ENGINE](probe), training.mechanism()
    subject = Subject(
        training=training,
        steps=training.steps,
        probe=probe,
        units=draw_units(start.patch_size, canaries, background=0.0, device=device),
        patches_per_unit=mechanism.patches_per_unit,
        scale=mechanism.batch / mechanism.clipping_norm,
        sign=1.0,
        release=lambda units, drawn, step: mean_loss_gradient(
            clipping, units, training=training, stream=drawn, step=step
        ),
        sample=lambda patches, drawn, step: sample_units(patches, training=training, stream=drawn, step=step),
    )
    return examine(subject, stream=stream, guesses=guesses, confidence=confidence)
