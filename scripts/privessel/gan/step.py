"""A GAN in training: its nets, their optimisers, and one training step.

With privacy it is the Wasserstein GAN of Kossen et al. 2022; without privacy it may also be one of the three
GANs of Kossen et al. 2021. Only the critic sees patients. With privacy its gradient comes from
`private_critic`, and everything computed here from that gradient costs no privacy.
"""

import copy
import math
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from privessel.errors import PrivacyError
from privessel.gan.losses import LOSSES, add_descents, penalty_gradient, plain_gradient
from privessel.gan.nets import (
    Critic,
    GanShape,
    Generator,
    initialise,
    normalise_spectra,
    refine_spectra,
)
from privessel.gan.pairs import Pairs
from privessel.gan.private_critic import private_critic_gradient
from privessel.gan.training import GanTraining
from privessel.privacy.keys import Stream
from privessel.privacy.mechanism import CLIPPING
from privessel.study.obstacles import private_obstacles


class Gan:
    """The nets, their optimisers, and everything else that the next training step depends on.

    Every random number comes from `stream`, by its purpose and the number of the step. Raises ValueError or
    PrivacyError for a critic that cannot be trained as `training` asks (see `check_critic`).
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
        # The generator that is saved: the running average of the trained one, or itself.
        self.kept = copy.deepcopy(self.generator) if training.ema else self.generator
        self.optimisers = {
            "generator": _optimiser(self.generator, training, training.generator_learning_rate),
            "critic": _optimiser(self.critic, training, training.critic_learning_rate),
        }
        self.clipping = CLIPPING[training.clipping](self.critic) if training.private else None
        # The critic's loss, summed over the steps of the epoch. It tells about training patches, so in a
        # private run it stays 0.
        self.loss = torch.zeros((), dtype=torch.float64, device=device)

    def advance(self, data: Pairs) -> None:
        """Take one generator step: first the critic's steps, each on a fresh sample, then the generator's."""
        self._set_learning_rates()
        first = self.step * self.training.critic_steps
        for step in range(first, first + self.training.critic_steps):
            with torch.no_grad():
                fake = self.generator(self.latents("critic latents", step, self.training.generator_batch))
            if self.clipping:
                gradient = private_critic_gradient(
                    self.clipping, data, fake, training=self.training, stream=self.stream, step=step
                )
            else:
                gradient = self._plain_gradient(data, fake, step)
            _descend(self.optimisers["critic"], self.critic, gradient)
            self._hold_weights()
        fake = self.generator(self.latents("generator latents", self.step, self.training.generator_batch))
        loss = LOSSES[self.training.loss].real(self.critic(fake)).mean()
        # Only the generator's gradients are computed, so this pass leaves nothing in the critic.
        gradient = torch.autograd.grad(loss, list(self.generator.parameters()))
        _descend(self.optimisers["generator"], self.generator, gradient)
        self.step += 1
        if self.kept is not self.generator:
            self._blend()

    def latents(self, purpose: str, step: int, n: int) -> Tensor:
        """Draw the Gaussian inputs of `n` fakes, (n, inputs), for a purpose and a step."""
        return torch.from_numpy(self.stream.normal(purpose, step, (n, self.shape.inputs))).to(self.device)

    def state(self) -> dict:
        """Return everything that `restore` needs, as plain data and tensors."""
        return {
            "step": self.step,
            "loss": self.loss,
            "generator": self.generator.state_dict(),
            "kept": self.kept.state_dict(),
            "critic": self.critic.state_dict(),
            "optimisers": {name: optimiser.state_dict() for name, optimiser in self.optimisers.items()},
        }

    def restore(self, state: dict) -> None:
        """Continue from a state that `state` returned."""
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

    def _plain_gradient(self, data: Pairs, fake: Tensor, step: int) -> list[Tensor]:
        training = self.training
        sample = shuffled_batch(self.stream, step=step, population=len(data), batch=training.batch)
        real = data.take(sample)
        # Batch norm computes its statistics over all real patches, and over all fakes (Radford et al. 2016),
        # so neither may be split into micro-batches.
        whole = max(training.batch, training.generator_batch)
        size = whole if self.shape.critic_norm == "batch" else training.micro_batch
        descent = plain_gradient(self.critic, real, fake, loss=training.loss, micro_batch=size)
        if training.gradient_penalty:
            shares = self.stream.uniform("interpolation", step, len(real)).astype(np.float32)
            mixed = {"shares": torch.from_numpy(shares).to(self.device), "weight": training.gradient_penalty}
            penalty = penalty_gradient(self.critic, real, fake, **mixed, micro_batch=size)
            descent = add_descents(descent, penalty)
        gradient, loss = descent
        self.loss += loss
        return gradient

    def _blend(self) -> None:
        # Early on the average forgets faster; otherwise it would keep the random first weights for long.
        decay = min(self.training.ema, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            now = self.generator.state_dict()
            for name, value in self.kept.state_dict().items():
                if value.is_floating_point():
                    value.lerp_(now[name], 1 - decay)
                else:
                    value.copy_(now[name])


class Watch(Protocol):
    """An observer of a GAN's training, which changes nothing in it."""

    def open(self, gan: Gan, data: Pairs) -> AbstractContextManager[None]:
        """Observe all training steps that are taken while this is open."""

    def state(self) -> Tensor:
        """Return what has been observed so far."""

    def restore(self, state: Tensor) -> None:
        """Continue from a state that `state` returned."""


def shuffled_batch(stream: Stream, *, step: int, population: int, batch: int) -> np.ndarray:
    """Return the indices (batch,) of a step's patches in training without privacy.

    Every pass over the `population` uses a new permutation, which is cut into batches.
    """
    number, place = divmod(step, population // batch)
    order = np.argsort(stream.uniform("shuffling", number, population))
    return order[place * batch : (place + 1) * batch]


def check_critic(shape: GanShape, training: GanTraining) -> None:
    """Raise for a critic that cannot be trained as asked.

    PrivacyError, with all reasons, where training is private and the gradient of a single sample cannot be
    bounded. ValueError for batch norm with a gradient penalty: the penalty is on every pair by itself
    (Gulrajani et al. 2017, section 4), and batch norm mixes pairs.
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
            "gradient_penalty is computed for every pair by itself, but critic_norm: batch mixes pairs. "
            "Remedy: set critic_norm to instance or none"
        )


def _layout(net: nn.Module, shape: GanShape, training: GanTraining, device: str) -> torch.memory_format:
    """Return how a net's weights lie in memory, which decides the speed only."""
    # A gradient penalty needs second derivatives. Through instance norm in channels-last layout they are
    # wrong when a single pair is passed (torch 2.13, CPU).
    wrong = isinstance(net, Critic) and shape.critic_norm == "instance" and training.gradient_penalty
    # On a CPU, channels last is up to 30 % faster for narrow nets and as fast for wide ones.
    return torch.channels_last if device == "cpu" and not wrong else torch.preserve_format


def _optimiser(net: nn.Module, training: GanTraining, learning_rate: float) -> torch.optim.Optimizer:
    if training.optimiser == "adam":
        return torch.optim.Adam(net.parameters(), lr=learning_rate, betas=training.adam_betas)
    return torch.optim.RMSprop(net.parameters(), lr=learning_rate)


def _descend(optimiser: torch.optim.Optimizer, net: nn.Module, gradient: list[Tensor]) -> None:
    """Take one optimiser step along `gradient`, and leave no gradient in the net."""
    for parameter, slope in zip(net.parameters(), gradient, strict=True):
        parameter.grad = slope
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)
