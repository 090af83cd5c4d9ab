"""A GAN in training: the nets, their optimisers and one step of both.

With privacy it is the Wasserstein GAN of Kossen et al. 2022; without, also the three GANs of Kossen et al.
2021. The critic alone meets patients. All else, from weight clipping to the generator and what it makes, is
computed from the critic's released gradients and costs no privacy.
"""

import copy
import math

import numpy as np
import torch
from torch import Tensor, nn

from privessel.errors import PrivacyError
from privessel.gan.losses import LOSSES, added, penalty_gradient, plain_gradient
from privessel.gan.nets import (
    Critic,
    GanShape,
    Generator,
    initialise,
    normalise_spectra,
    refine_spectra,
)
from privessel.gan.training import GanTraining
from privessel.privacy.keys import Stream
from privessel.privacy.mechanism import CLIPPING, poisson_patients, poisson_sample, private_gradient
from privessel.study.obstacles import private_obstacles


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


class Gan:
    """Nets, optimisers and all else that the next step depends on; purpose and step fix every draw.

    ValueError or PrivacyError for a critic that cannot be trained in this way (`check_critic`).
    """

    def __init__(self, shape: GanShape, training: GanTraining, *, stream: Stream, device: str) -> None:
        check_critic(shape, training)
        self.shape, self.training, self.stream, self.device = shape, training, stream, device
        self.step = 0  # generator steps done
        self.generator, self.critic = Generator(shape), Critic(shape)
        if training.spectral_norm:
            normalise_spectra(self.critic)
        seed = int(stream.uniform("weights", 0, 1)[0] * 2**53)
        weights = torch.Generator().manual_seed(seed)
        for net in (self.generator, self.critic):
            clipped = net is self.critic and training.weight_clip
            initialise(net, weights, largest=training.weight_clip if clipped else math.inf)
            net.to(device, memory_format=_layout(net, shape, training, device))
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
            self._hold_weights()
        fake = self.generator(self.latents("generator latents", self.step, self.training.generator_batch))
        loss = LOSSES[self.training.loss].real(self.critic(fake)).mean()
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

    @torch.no_grad()
    def _hold_weights(self) -> None:
        if self.training.weight_clip:
            torch._foreach_clamp_min_(list(self.critic.parameters()), -self.training.weight_clip)
            torch._foreach_clamp_max_(list(self.critic.parameters()), self.training.weight_clip)
        refine_spectra(self.critic, iterations=1)

    def _private(self, data: Pairs, fake: Tensor, step: int) -> list[Tensor]:
        mechanism = self.training.mechanism()
        rate = self.training.sampling_rate
        if self.training.by_patient:
            each = mechanism.patches_per_unit
            sample = poisson_patients(self.stream, step=step, patches=data.of_patient, rate=rate, each=each)
        else:
            sample = poisson_sample(self.stream, step=step, population=len(data), rate=rate)
        real = data.take(sample)
        return private_gradient(self.clipping, real, fake, stream=self.stream, step=step, mechanism=mechanism)

    def _plain(self, data: Pairs, fake: Tensor, step: int) -> list[Tensor]:
        training = self.training
        sample = shuffled_batch(self.stream, step=step, population=len(data), batch=training.batch)
        real = data.take(sample)
        # Batch norm takes its statistics of all real patches and of all fakes (Radford et al. 2016).
        whole = max(training.batch, training.generator_batch)
        size = whole if self.shape.critic_norm == "batch" else training.micro_batch
        found = plain_gradient(self.critic, real, fake, loss=training.loss, micro_batch=size)
        if training.gradient_penalty:
            shares = self.stream.uniform("interpolation", step, len(real)).astype(np.float32)
            mixed = {"shares": torch.from_numpy(shares).to(self.device), "weight": training.gradient_penalty}
            found = added(found, penalty_gradient(self.critic, real, fake, **mixed, micro_batch=size))
        gradient, loss = found
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


def check_critic(shape: GanShape, training: GanTraining) -> None:
    """Raise for a critic that cannot be trained as asked.

    PrivacyError, with all reasons, where its gradient cannot be bounded sample by sample but must be.
    ValueError for batch norm with a gradient penalty, which is a penalty on every pair by itself (Gulrajani
    et al. 2017, section 4).
    """
    if training.private:
        obstacles = private_obstacles(
            critic_norm=shape.critic_norm,
            spectral_norm=training.spectral_norm,
            loss=training.loss,
            gradient_penalty=training.gradient_penalty,
        )
        if obstacles:
            raise PrivacyError(f"this critic cannot be trained with privacy: {'. '.join(obstacles)}")
    if shape.critic_norm == "batch" and training.gradient_penalty:
        raise ValueError(
            "gradient_penalty is on every pair by itself, and critic_norm: batch mixes pairs; use instance "
            "or none"
        )


def _layout(net: nn.Module, shape: GanShape, training: GanTraining, device: str) -> torch.memory_format:
    """Return how a net's weights lie in memory: a question of speed."""
    # Of a pair in a pass by itself, second derivatives through instance norm are wrong with channels last
    # (torch 2.13, CPU), and a gradient penalty needs them.
    wrong = isinstance(net, Critic) and shape.critic_norm == "instance" and training.gradient_penalty
    # Channels last: up to 30 % faster on a CPU with narrow nets, even with wide ones.
    return torch.channels_last if device == "cpu" and not wrong else torch.preserve_format


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
