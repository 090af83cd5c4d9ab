"""The audit of single private steps (see `steps`) for the critic of a GAN, by the code that trains it."""

import torch

from privessel.audit.steps import Probe, StepFinding, Subject, count_canaries, draw_units, examine
from privessel.gan.nets import GanShape
from privessel.gan.private_critic import sample_real
from privessel.gan.step import Gan
from privessel.gan.training import GanTraining
from privessel.privacy.keys import Stream
from privessel.privacy.mechanism import CLIPPING, private_gradient


def audit_steps(
    shape: GanShape,
    training: GanTraining,
    *,
    stream: Stream,
    guesses: int,
    confidence: float,
    device: str = "cpu",
) -> StepFinding:
    """Return what about `guesses` guesses show of the private steps of such a training.

    `stream` draws samples, noise and the coins. Raises ValueError for a training without privacy.
    """
    if not training.private:
        raise ValueError("a training without noise promises nothing, so there is nothing to audit")
    subject = _critic(shape, training, stream, canaries=count_canaries(shape.patch), device=device)
    return examine(subject, stream=stream, guesses=guesses, confidence=confidence)


def _critic(shape: GanShape, training: GanTraining, stream: Stream, *, canaries: int, device: str) -> Subject:
    """Return the step of a private critic; its fakes are the same in every step."""
    gan = Gan(shape, training, stream=stream, device=device)
    probe, mechanism = Probe(gan.critic, canaries), training.mechanism()
    clipping = CLIPPING[training.clipping](probe)
    with torch.no_grad():
        fakes = gan.generator(gan.latents("critic latents", 0, training.generator_batch))
    fakes = torch.cat([fakes, torch.zeros_like(fakes[:, :1])], dim=1)
    return Subject(
        training=training,
        steps=training.steps * training.critic_steps,
        probe=probe,
        units=draw_units(shape.patch, canaries, background=training.label_background, device=device),
        patches_per_unit=mechanism.patches_per_unit,
        scale=mechanism.batch / mechanism.clipping_norm,
        sign=-1.0,  # a real pair's gradient is that of minus its score
        release=lambda units, drawn, step: private_gradient(
            clipping, real=units, fake=fakes, stream=drawn, step=step, mechanism=mechanism
        ),
        sample=lambda patches, drawn, step: sample_real(patches, training=training, stream=drawn, step=step),
    )
