"""The private gradient of the critic: the only place where a private GAN meets patients.

One call is one step of the mechanism (docs/mechanism.md):

1. a fresh Poisson sample of the privacy units is drawn, patches or patients (rule 1);
2. the gradient of every sampled unit is clipped to the clipping norm, and the clipped gradients are summed;
3. Gaussian noise is added to the sum once, and the result is divided by the expected batch (rule 2);
4. the gradient of the fakes is added. Fakes touch no patient, so they need no noise (rule 3).

Clipping and noise are in `privacy.mechanism`. Everything that training does afterwards uses this gradient
alone: weight clipping, optimisers, the generator and its pairs are post-processing and cost no privacy.
"""

from torch import Tensor

from privessel.gan.pairs import Pairs
from privessel.gan.training import GanTraining
from privessel.privacy.clipping import Clipping
from privessel.privacy.keys import Stream
from privessel.privacy.mechanism import private_gradient, sample_patches


def private_critic_gradient(
    clipping: Clipping,
    data: Pairs,
    fake: Tensor,
    *,
    training: GanTraining,
    stream: Stream,
    step: int,
) -> list[Tensor]:
    """Return the noisy gradient of the critic's loss at a critic step, one tensor a parameter.

    fake (generator_batch, 2, s, s). `stream` and `step` fix the sample and the noise: the same two give the
    same gradient again.
    """
    real = sample_real(data, training=training, stream=stream, step=step)
    return private_gradient(clipping, real, fake, stream=stream, step=step, mechanism=training.mechanism())


def sample_real(data: Pairs, *, training: GanTraining, stream: Stream, step: int) -> Tensor:
    """Draw the real pairs of a private critic step, (m, 2, s, s), by Poisson sampling; m may be 0.

    Where the privacy unit is the patient, each sampled patient gives `patient_patches` pairs in a row.
    """
    each = training.patient_patches if training.by_patient else None
    sample = sample_patches(
        stream, step=step, of_patient=data.of_patient, rate=training.sampling_rate, each=each
    )
    return data.take(sample)
