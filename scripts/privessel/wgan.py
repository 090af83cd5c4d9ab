"""A Wasserstein GAN in training: the nets, their optimisers and one step of both (Kossen et al. 2022).

The critic alone meets patients. All else, from weight clipping to the generator and what it makes, is
computed from the critic's released gradients and costs no privacy.
"""

import copy
import math

import numpy as np
import torch
from torch import Tensor, nn

from privessel.gans import Critic, GanShape, Generator, initialise
from privessel.hyperparameters import GanTraining
from privessel.privacy.keys import Stream
from privessel.privacy.mechanism import (
    CLIPPING,
    mean_gradient,
    poisson_patients,
    poisson_sample,
    private_gradient,
)


class Pairs:
    """Labelled patches on the training device: images (n, s, s) float32 in [-1, 1], labels (n, s, s) bool.

    patients (n,) counts from 0 whose patch it is. `background` is the value of the label channel off the
    vessels; on them it is 1.
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


class Wgan:
    """Nets, optimisers and all else that the next step depends on; purpose and step fix every draw."""

    def __init__(self, shape: GanShape, training: GanTraining, *, stream: Stream, device: str) -> None:
        self.shape, self.training, self.stream, self.device = shape, training, stream, device
        self.step = 0  # generator steps done
        self.generator, self.critic = Generator(shape), Critic(shape)
        seed = int(stream.uniform("weights", 0, 1)[0] * 2**53)
        weights = torch.Generator().manual_seed(seed)
        for net in (self.generator, self.critic):
            initialise(net, weights, largest=training.weight_clip if net is self.critic else math.inf)
            # Channels last: up to 30 % faster on a CPU with narrow nets, even with wide ones.
            net.to(device, memory_format=torch.channels_last if device == "cpu" else torch.preserve_format)
        self.kept = copy.deepcopy(self.generator) if training.ema else self.generator
        self.optimisers = {
            "generator": _optimiser(self.generator, training, training.generator_learning_rate),
            "critic": _optimiser(self.critic, training, training.critic_learning_rate),
        }
        self.clipping = CLIPPING[training.clipping](self.critic) if training.private else None
        # Critic loss summed over the epoch's steps; it is about training patches, so never in a private run.
        self.loss = torch.zeros((), dtype=torch.float64, device=device)

    def advance(self, data: Pairs) -> None:
        """Take the critic's steps, each on a fresh sample, then the generator's."""
        self._set_learning_rates()
        first = self.step * self.training.critic_steps
        for step in range(first, first + self.training.critic_steps):
            with torch.no_grad():
                fake = self.generator(self.latents("critic latents", step, self.training.generator_batch))
            gradient = self._private(data, fake, step) if self.clipping else self._plain(data, fake, step)
            _descend(self.optimisers["critic"], self.critic, gradient)
            with torch.no_grad():
                torch._foreach_clamp_min_(list(self.critic.parameters()), -self.training.weight_clip)
                torch._foreach_clamp_max_(list(self.critic.parameters()), self.training.weight_clip)
        fake = self.generator(self.latents("generator latents", self.step, self.training.generator_batch))
        loss = -self.critic(fake).mean()
        # The generator's gradients alone are asked for, so nothing of this pass stays in the critic.
        gradient = torch.autograd.grad(loss, list(self.generator.parameters()))
        _descend(self.optimisers["generator"], self.generator, gradient)
        self.step += 1
        if self.kept is not self.generator:
            self._blend()

    def latents(self, purpose: str, step: int, n: int) -> Tensor:
        """Draw the generator's Gaussian inputs (n, inputs)."""
        return torch.from_numpy(self.stream.normal(purpose, step, (n, self.shape.inputs))).to(self.device)

    def state(self) -> dict:
        """Return all that `restore` needs, as plain data and tensors."""
        return {
            "step": self.step,
            "loss": self.loss,
            "generator": self.generator.state_dict(),
            "kept": self.kept.state_dict(),
            "critic": self.critic.state_dict(),
            "optimisers": {name: each.state_dict() for name, each in self.optimisers.items()},
        }

    def restore(self, state: dict) -> None:
        """Go on from what `state` returned."""
        self.step = state["step"]
        self.loss.copy_(state["loss"])
        self.generator.load_state_dict(state["generator"])
        self.kept.load_state_dict(state["kept"])
        self.critic.load_state_dict(state["critic"])
        for name, optimiser in self.optimisers.items():
            optimiser.load_state_dict(state["optimisers"][name])

    def _set_learning_rates(self) -> None:
        factor = self.training.rate_factor(self.step)
        for name, optimiser in self.optimisers.items():
            for group in optimiser.param_groups:
                group["lr"] = factor * getattr(self.training, f"{name}_learning_rate")

    def _private(self, data: Pairs, fake: Tensor, step: int) -> list[Tensor]:
        mechanism = self.training.mechanism()
        rate = self.training.sampling_rate(patches=len(data), patients=len(data.of_patient))
        if self.training.by_patient:
            each = mechanism.patches_per_unit
            sample = poisson_patients(self.stream, step=step, patches=data.of_patient, rate=rate, each=each)
        else:
            sample = poisson_sample(self.stream, step=step, population=len(data), rate=rate)
        real = data.take(sample)
        return private_gradient(self.clipping, real, fake, stream=self.stream, step=step, mechanism=mechanism)

    def _plain(self, data: Pairs, fake: Tensor, step: int) -> list[Tensor]:
        batch, micro_batch = self.training.batch, self.training.micro_batch
        sample = shuffled_batch(self.stream, step=step, population=len(data), batch=batch)
        gradient, loss = plain_gradient(self.critic, data.take(sample), fake, micro_batch=micro_batch)
        self.loss += loss
        return gradient

    def _blend(self) -> None:
        # A young average forgets faster, or it would hold the first, random weights for long.
        decay = min(self.training.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            now = self.generator.state_dict()
            for name, value in self.kept.state_dict().items():
                if value.is_floating_point():
                    value.lerp_(now[name], 1 - decay)
                else:
                    value.copy_(now[name])


def shuffled_batch(stream: Stream, *, step: int, population: int, batch: int) -> np.ndarray:
    """Return a step's patches where there is no privacy: pieces of permutations, a permutation a pass."""
    turn, place = divmod(step, population // batch)
    order = np.argsort(stream.uniform("shuffling", turn, population))
    return order[place * batch : (place + 1) * batch]


def plain_gradient(
    critic: nn.Module, real: Tensor, fake: Tensor, *, micro_batch: int
) -> tuple[list[Tensor], Tensor]:
    """Return the gradient of mean critic(fake) - mean critic(real), and that loss."""
    fakes, fake_score = mean_gradient(critic, fake, micro_batch=micro_batch)
    reals, real_score = mean_gradient(critic, real, micro_batch=micro_batch)
    return [mine - other for mine, other in zip(fakes, reals, strict=True)], fake_score - real_score


def _optimiser(net: nn.Module, training: GanTraining, learning_rate: float) -> torch.optim.Optimizer:
    if training.optimiser == "adam":
        return torch.optim.Adam(net.parameters(), lr=learning_rate, betas=training.adam_betas)
    return torch.optim.RMSprop(net.parameters(), lr=learning_rate)


def _descend(optimiser: torch.optim.Optimizer, net: nn.Module, gradient: list[Tensor]) -> None:
    """Take one step along a gradient and leave none behind."""
    for parameter, each in zip(net.parameters(), gradient, strict=True):
        parameter.grad = each
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
