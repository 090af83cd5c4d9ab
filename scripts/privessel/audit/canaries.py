"""Canaries: conspicuous patches, some of which are trained on, and what the released gradients tell of them.

Canaries whose gradients point in similar directions hide one another. With canaries that are black except
for one pixel this happens in every critic, with canaries of noise in some. Which kind is recognised best
depends on the critic; `benchmarks/canaries.py` prints it for two critics.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from privessel.audit.plan import log_likelihood
from privessel.gan.pairs import Pairs
from privessel.gan.step import Gan
from privessel.privacy.mechanism import mean_gradient, private_gradient

KINDS = ("dirac", "noise", "mislabelled")
HELD_NUMBERS = 1 << 28  # numbers of the canaries' gradients in memory at a time: 1 GB
Labelled = tuple[NDArray[np.float32], NDArray[np.bool_]]  # images in [-1, 1] and labels, (n, s, s) each


def draw_canaries(
    kind: str, *, canaries: int, size: int, rng: np.random.Generator, reference: Labelled | None = None
) -> Labelled:
    """Return `canaries` different patches of `size` pixels a side.

    dirac: one bright pixel on black, and one vessel pixel somewhere else. noise: every pixel of image and
    label is random. mislabelled: an image of `reference` with the label of another one; no patch of
    `reference` is trained on.
    """
    if kind == "dirac":
        places = rng.choice(size**4, canaries, replace=False)  # of the bright and of the vessel pixel
        images, labels = np.full((canaries, size**2), -1, np.float32), np.zeros((canaries, size**2), bool)
        images[np.arange(canaries), places // size**2] = 1
        labels[np.arange(canaries), places % size**2] = True
        return images.reshape(-1, size, size), labels.reshape(-1, size, size)
    if kind == "noise":
        shape = (canaries, size, size)
        return rng.uniform(-1, 1, shape).astype(np.float32), rng.random(shape) < 0.5
    if kind != "mislabelled":
        raise ValueError(f"canaries are {', '.join(KINDS)}, not {kind!r}")
    if reference is None or len(reference[0]) < max(canaries, 2):
        raise ValueError(f"{canaries} mislabelled canaries need as many reference patches, and at least 2")
    chosen = rng.permutation(len(reference[0]))
    return reference[0][chosen[:canaries]], reference[1][np.roll(chosen, 1)[:canaries]]


def insert(
    images: NDArray[np.float32],
    labels: NDArray[np.bool_],
    patients: NDArray[np.integer],
    *,
    canaries: Labelled,
    inserted: NDArray[np.bool_],
    copies: int,
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.integer]]:
    """Return training patches and their patients, with the `inserted` ones (m,) of the canaries at the end.

    Each inserted canary becomes a patient of its own with `copies` equal patches: 1 where the privacy unit is
    the patch; where it is the patient, as many as a sampled patient gives, so that the canary's mean gradient
    is that of one patch.
    """
    numbers = patients.max() + 1 + np.arange(inserted.sum())
    return (
        np.concatenate([images, np.repeat(canaries[0][inserted], copies, axis=0)]),
        np.concatenate([labels, np.repeat(canaries[1][inserted], copies, axis=0)]),
        np.concatenate([patients, np.repeat(numbers, copies)]),
    )


class GradientWatch:
    """Scores canaries by the gradients that a private GAN releases; a `gan.step.Watch`.

    canaries (m, 2, s, s) lie on the training device. Of the patches trained on, the first `genuine` are real
    and the others belong to inserted canaries. One critic step in `score_every` is scored, and adds to
    `scores` (m,). The watcher is as strong as the privacy promise allows: it knows the real patches and which
    of them were sampled, but of the canaries neither the coins nor which were sampled. In a run without
    privacy nothing is scored, because such a run promises nothing.
    """

    def __init__(self, canaries: Tensor, *, genuine: int, score_every: int) -> None:
        self.canaries, self.genuine, self.score_every = canaries, genuine, score_every
        self.scores = np.zeros(len(canaries))

    def state(self) -> Tensor:
        """Return the scores so far."""
        return torch.from_numpy(self.scores.copy())

    def restore(self, state: Tensor) -> None:
        """Continue from a state that `state` returned."""
        self.scores = state.numpy().copy()

    @contextmanager
    def open(self, gan: Gan, data: Pairs) -> Iterator[None]:
        """Score gradients of `gan`, which is trained on `data`, while this is open."""
        if gan.clipping is None:
            yield
            return
        rate = gan.training.sampling_rate
        seen, take = {"step": gan.step * gan.training.critic_steps}, data.take

        def keep_sample(indices: np.ndarray) -> Tensor:
            seen["sample"] = indices[indices < self.genuine]
            return take(indices)

        def keep_fakes(generator: nn.Module, inputs: tuple, fakes: Tensor) -> None:
            seen["fakes"] = fakes.detach()

        def score(optimiser: torch.optim.Optimizer, args: tuple, kwargs: dict) -> None:
            if seen["step"] % self.score_every == 0:
                released = [parameter.grad for parameter in gan.critic.parameters()]
                known, fakes = take(seen["sample"]), seen["fakes"]
                self.scores += score_step(gan, self.canaries, released, known, fakes, sampling_rate=rate)
            seen["step"] += 1

        # Just before the critic's step its weights are still those that the gradient was computed at, and the
        # parameters' `grad` is the released gradient.
        hooks = [
            gan.generator.register_forward_hook(keep_fakes),
            gan.optimisers["critic"].register_step_pre_hook(score),
        ]
        data.take = keep_sample
        try:
            yield
        finally:
            del data.take
            for hook in hooks:
                hook.remove()


def score_step(
    gan: Gan,
    canaries: Tensor,
    released: Sequence[Tensor],
    known: Tensor,
    fakes: Tensor,
    *,
    sampling_rate: float,
) -> NDArray[np.float64]:
    """Return, from one released gradient, the log-likelihood ratios (m,) of each canary being in the data.

    What the `known` sampled patches and the fakes contribute is subtracted first. With a large critic the
    canaries are scored in parts, as if there were no others. That makes the score weaker but not wrong.
    """
    mechanism, norm = gan.training.mechanism(), gan.training.clipping_norm
    public = private_gradient(gan.clipping, known, fakes, stream=NoNoise(), step=0, mechanism=mechanism)
    centre = None
    if mechanism.fake_clipping == "centre":
        centre, _ = mean_gradient(gan.critic, gan.critic, fakes, micro_batch=mechanism.micro_batch)
    rest = (_flat(released) - _flat(public)) * (mechanism.batch / norm)
    scores = []
    for part in canaries.split(max(1, HELD_NUMBERS // len(rest))):
        gradients = clipped_gradients(gan.critic, part, clipping_norm=norm, centre=centre) / norm
        scores.append(
            matched_filter(
                (gradients @ gradients.T).double().cpu().numpy(),
                (gradients @ rest).double().cpu().numpy(),
                noise_multiplier=mechanism.noise_multiplier,
                sampling_rate=sampling_rate,
            )
        )
    return np.concatenate(scores)


def matched_filter(
    gram: NDArray[np.float64],
    along: NDArray[np.float64],
    *,
    noise_multiplier: float,
    sampling_rate: float,
) -> NDArray[np.float64]:
    """Return the log-likelihood ratios (m,) of canaries that are hidden by the noise and by one another.

    gram (m, m): inner products of the canaries' clipped gradients; along (m,): their inner products with the
    noisy sum; both in units of the clipping norm. Every other canary is in the sample with half the sampling
    rate. The sum of the other canaries is treated as Gaussian.
    """
    mean = sampling_rate / 2
    spread = mean * (1 - mean)
    # By Woodbury's identity: the inverse covariance of the noise and all canaries, between gradients. After
    # that each canary is removed from what hides it.
    inverse = np.linalg.inv(noise_multiplier**2 * np.eye(len(gram)) + spread * gram)
    strength = np.einsum("ij,ji->i", inverse, gram)
    signal = inverse @ (along - mean * gram.sum(axis=1)) + mean * strength
    hidden = 1 - spread * strength
    return log_likelihood(signal / hidden, strength / hidden, sampling_rate=sampling_rate)


class NoNoise:
    """A stream of zeros: with it `private_gradient` returns its result without the noise."""

    def whole_normal(self, purpose: str, step: int, n: int, *, scale: float) -> np.ndarray:
        """Return zeros in place of a step's noise."""
        return np.zeros(n)


def clipped_gradients(
    critic: nn.Module, pairs: Tensor, *, clipping_norm: float, centre: Sequence[Tensor] | None
) -> Tensor:
    """Return what each of `pairs` (m, 2, s, s) by itself adds to a private step's sum, (m, weights).

    That is the clipped gradient of -critic(pair), plus `centre` (one tensor a parameter) where it is given.
    """
    weights = dict(critic.named_parameters())

    def negative(values: dict[str, Tensor], pair: Tensor) -> Tensor:
        return -functional_call(critic, values, (pair[None],)).squeeze()

    gradients = vmap(grad(negative), in_dims=(None, 0))({n: w.detach() for n, w in weights.items()}, pairs)
    flat = torch.cat([gradients[name].flatten(1) for name in weights], dim=1)
    if centre is not None:
        flat += _flat(centre)
    return flat * (clipping_norm / (flat.norm(dim=1, keepdim=True) + 1e-6)).clamp(max=1.0)


def _flat(tensors: Sequence[Tensor]) -> Tensor:
    return torch.cat([tensor.flatten() for tensor in tensors])
