"""One step of a C-DeID-GAN's training: warm-up by reconstruction, then generator against discriminator."""

import copy

import numpy as np
import torch
from torch import Tensor, nn

from privessel.deid.adamp import AdamP
from privessel.deid.losses import reconstruction_loss, relativistic_loss, slope_penalty
from privessel.deid.networks import Discriminator, Generator
from privessel.deid.pyramid import Scale, halve_gamma, halve_images, keep_known
from privessel.deid.shape import HeadGanShape
from privessel.deid.streams import BATCH, NOISE, START, stream
from privessel.deid.training import HeadGanTraining
from privessel.deid.training_heads import TrainingHeads

RAMP = 20  # first steps of a warm-up, over which the learning rate rises linearly
AVERAGE_DELAY = 10  # the running average forgets the first steps: its decay is at most step / (step + 10)
# What is observed of a step. The first three exist only after the warm-up.
OBSERVED = ("loss_discriminator", "loss_generator", "gap", "reconstruction")


class HeadGan:
    """The networks, their optimisers, the generator's running average, and the number of steps taken.

    Every random number comes from the seed, a purpose and the step, so a step depends on nothing but these
    and the state.
    """

    def __init__(
        self,
        shape: HeadGanShape,
        training: HeadGanTraining,
        *,
        seed: int,
        mean_head: Tensor | None,
        device: torch.device,
    ) -> None:
        """Start with fresh weights; with place, images start from `mean_head`, (s, s, s) in [-1, 1]."""
        self.shape, self.training, self.seed, self.device = shape, training, seed, device
        start = stream(seed, START, 0, device=torch.device("cpu"))
        generator, discriminator = Generator(shape, generator=start), Discriminator(shape, generator=start)
        if mean_head is not None:
            generator.start_from(mean_head)
        self.generator = generator.to(device, memory_format=torch.channels_last_3d)
        self.discriminator = discriminator.to(device, memory_format=torch.channels_last_3d)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        kind = AdamP if training.optimiser == "adamp" else torch.optim.Adam
        self.generator_optimiser = kind(
            self.generator.parameters(), lr=training.generator_learning_rate, betas=training.betas
        )
        self.discriminator_optimiser = kind(
            self.discriminator.parameters(), lr=training.discriminator_learning_rate, betas=training.betas
        )
        self.step = 0

    def advance(self, heads: TrainingHeads) -> Tensor:
        """Take one step on heads drawn at random; return what OBSERVED names, on the device."""
        training = self.training
        images, gamma = heads.draw(
            training.batch,
            rng=np.random.default_rng([self.seed, BATCH, self.step]),
            flip=training.flip,
            shift=training.shift,
        )
        draw = stream(self.seed, NOISE, self.step, device=self.device)
        scales = halve_gamma(gamma.to(self.device), self.shape.scales, draw=draw)
        # Where the generator cannot err, the originals show the same: their brain, and air outside the hull.
        originals = halve_images(keep_known(images.to(self.device), scales[0]), self.shape.scales)
        fakes = self.generator(scales, self.generator.draw(training.batch, draw))
        warming = self.step < training.warm_up
        observed = self._reconstruct(fakes, originals) if warming else self._contest(fakes, originals, scales)
        self._follow(0.0 if warming else min(training.ema, (self.step + 1) / (self.step + 1 + AVERAGE_DELAY)))
        self.step += 1
        return torch.stack(observed).detach()

    def _reconstruct(self, fakes: list[Tensor], originals: list[Tensor]) -> list[Tensor]:
        """Let the generator learn the originals themselves: where skull and skin lie."""
        loss = reconstruction_loss(fakes, originals)
        rate = self.training.warm_up_learning_rate * min(1.0, (self.step + 1) / RAMP)
        _descend(self.generator_optimiser, loss, rate)
        return [*torch.zeros(3, device=self.device), loss]

    def _contest(self, fakes: list[Tensor], originals: list[Tensor], scales: list[Scale]) -> list[Tensor]:
        """Let the discriminator take a step, then the generator."""
        training, factor = self.training, self.training.rate_factor(self.step)
        penalised = training.r1 > 0 and self.step % training.r1_every == 0
        shown = [image.detach().requires_grad_(penalised) for image in originals]
        real = self.discriminator(shown, scales)
        fake = self.discriminator([image.detach() for image in fakes], scales)
        loss_discriminator = total = relativistic_loss(real, fake)
        if penalised:
            total = total + training.r1 * training.r1_every * slope_penalty(real, shown)
        _descend(self.discriminator_optimiser, total, training.discriminator_learning_rate * factor)

        with torch.no_grad():
            real = self.discriminator(originals, scales)
        self.discriminator.requires_grad_(False)
        fake = self.discriminator(fakes, scales)
        self.discriminator.requires_grad_(True)
        loss_generator = relativistic_loss(fake, real)
        reconstruction = reconstruction_loss(fakes, originals)
        total = loss_generator + training.reconstruction * reconstruction
        _descend(self.generator_optimiser, total, training.generator_learning_rate * factor)
        return [loss_discriminator, loss_generator, (real - fake).mean(), reconstruction]

    @torch.no_grad()
    def _follow(self, decay: float) -> None:
        """Move the running average towards the generator; a decay of 0 makes them equal."""
        for kept, current in zip(self.average.parameters(), self.generator.parameters(), strict=True):
            kept.lerp_(current, 1 - decay)

    def parts(self) -> dict[str, nn.Module | torch.optim.Optimizer]:
        """Return by name everything that has a state."""
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "average": self.average,
            "generator_optimiser": self.generator_optimiser,
            "discriminator_optimiser": self.discriminator_optimiser,
        }


def _descend(optimiser: torch.optim.Optimizer, loss: Tensor, rate: float) -> None:
    """Take one optimiser step down the loss at a learning rate."""
    for group in optimiser.param_groups:
        group["lr"] = rate
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
