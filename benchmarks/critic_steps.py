"""The routes that `clipping.py` measures: one private critic step each, and the step without privacy."""

import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch.func import functional_call, grad, vmap

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
from privessel.gan.losses import plain_gradient
from privessel.gan.nets import Critic, GanShape
from privessel.gan.step import shuffled_batch
from privessel.privacy.clipping import Bound
from privessel.privacy.keys import Stream
from privessel.privacy.mechanism import (
    CLIPPING,
    Mechanism,
    mean_gradient,
    poisson_sample,
    private_gradient,
)

POPULATION = 41_000
PATCH = 96
NORM, NOISE, WEIGHT_CLIP = 1.0, 1.0, 0.01
REFERENCE = "not private"


class Step:
    """A critic with its optimiser and patches, and one step on them by each route."""

    def __init__(self, width: int, batch: int, device: str) -> None:
        torch.manual_seed(0)
        shape = GanShape(PATCH, 128, 1, width, "batch", "instance", "nearest", noise_map=False)
        layout = torch.channels_last if device == "cpu" else torch.preserve_format  # as in training
        self.critic = Critic(shape).to(device, memory_format=layout)
        self.optimiser = torch.optim.RMSprop(self.critic.parameters(), lr=5e-5)
        self.batch, self.device, self.number = batch, device, 0
        self.stream = Stream(bytes(32), threads=torch.get_num_threads())
        self.patches = torch.rand(2 * batch, 2, PATCH, PATCH, device=device)
        self.fakes = torch.rand(batch, 2, PATCH, PATCH, device=device)
        self.mechanism = Mechanism(
            noise_multiplier=NOISE, clipping_norm=NORM, batch=batch, patches_per_unit=1,
            generator_batch=batch, fake_clipping="per-sample", micro_batch=4 * batch, grid_bits=20,
        )  # fmt: skip
        self.engines = {}

    def sample(self) -> torch.Tensor:
        """Draw a Poisson sample of the population; as many patches stand for it, always the expected number.

        The draw's own size varies by 18 % at batch 32, which would only blur the ratios.
        """
        poisson_sample(self.stream, step=self.number, population=POPULATION, rate=self.batch / POPULATION)
        return self.patches[: self.batch]

    def take(self, route: str) -> None:
        """Take one whole step."""
        self.number += 1
        if route == REFERENCE:
            shuffled_batch(self.stream, step=self.number, population=POPULATION, batch=self.batch)
            real = self.patches[: self.batch]
            gradient, _ = plain_gradient(
                self.critic, real, self.fakes, loss="wasserstein", micro_batch=4 * self.batch
            )
        elif route in OURS:
            if "engine" not in self.engines:
                self.engines["engine"] = CLIPPING["book-keeping"](self.critic)
            gradient = private_gradient(
                self.engines["engine"], self.sample(), self.fakes, stream=self.stream, step=self.number,
                mechanism=replace(self.mechanism, fake_clipping=OURS[route]),
            )  # fmt: skip
        else:
            summed, both = OTHERS[route]
            real = self.sample()
            sums = summed(self, real, -1.0)
            if both:
                fakes = summed(self, self.fakes, 1.0)
                fakes = [each / self.batch for each in fakes]
            else:
                for module in self.engines.values():
                    module.disable_hooks()
                fakes, _ = mean_gradient(self.critic, self.critic, self.fakes, micro_batch=4 * self.batch)
            sizes = [each.numel() for each in sums]
            noise = torch.from_numpy(self.stream.normal("noise", self.number, sum(sizes))).to(self.device)
            gradient = [
                (each + NOISE * NORM * part.view_as(each)) / self.batch + fake
                for each, part, fake in zip(sums, noise.split(sizes), fakes, strict=True)
            ]
        for parameter, each in zip(self.critic.parameters(), gradient, strict=True):
            parameter.grad = each
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        with torch.no_grad():
            for parameter in self.critic.parameters():
                parameter.clamp_(-WEIGHT_CLIP, WEIGHT_CLIP)


def opacus_hooks(step: Step, pairs: torch.Tensor, sign: float) -> list[torch.Tensor]:
    """Bounded sum by Opacus' per-sample gradients, its hooks left in place between steps."""
    from opacus.grad_sample import GradSampleModule

    if "hooks" not in step.engines:
        step.critic.to(memory_format=torch.contiguous_format)  # else its gradients are wrong (Opacus 1.6)
        step.engines["hooks"] = GradSampleModule(step.critic, loss_reduction="sum")
    step.engines["hooks"].enable_hooks()
    (sign * step.engines["hooks"](pairs)).sum().backward()
    samples = [parameter.grad_sample for parameter in step.critic.parameters()]
    norms = torch.stack([each.flatten(1).norm(dim=1) for each in samples]).norm(dim=0)
    factors = (NORM / (norms + 1e-6)).clamp(max=1.0)
    sums = [torch.tensordot(factors, each, dims=1) for each in samples]
    for parameter in step.critic.parameters():
        parameter.grad = parameter.grad_sample = None
    return sums


def opacus_fast_gradient_clipping(step: Step, pairs: torch.Tensor, sign: float) -> list[torch.Tensor]:
    """Bounded sum by Opacus' two backward passes: norms first, then the weighted loss."""
    from opacus.grad_sample import GradSampleModuleFastGradientClipping

    if "fast" not in step.engines:
        step.critic.to(memory_format=torch.contiguous_format)
        step.engines["fast"] = GradSampleModuleFastGradientClipping(
            step.critic, loss_reduction="sum", max_grad_norm=NORM, use_ghost_clipping=True
        )
    module = step.engines["fast"]
    module.enable_hooks()
    scores = sign * module(pairs)
    scores.sum().backward(retain_graph=True)
    factors = module.get_clipping_coef().detach()
    for parameter in step.critic.parameters():
        parameter.grad = None
    module.disable_hooks()
    (factors * scores).sum().backward()
    sums = [parameter.grad for parameter in step.critic.parameters()]
    for parameter in step.critic.parameters():
        parameter.grad = None
    return sums


def torch_func(step: Step, pairs: torch.Tensor, sign: float) -> list[torch.Tensor]:
    """Bounded sum by torch.func: vmap over the gradient of one sample."""
    parameters = {name: each.detach() for name, each in step.critic.named_parameters()}

    def score(weights: dict, pair: torch.Tensor) -> torch.Tensor:
        return sign * functional_call(step.critic, weights, (pair[None],))[0]

    samples = list(vmap(grad(score), in_dims=(None, 0))(parameters, pairs).values())
    norms = torch.stack([each.flatten(1).norm(dim=1) for each in samples]).norm(dim=0)
    factors = (NORM / (norms + 1e-6)).clamp(max=1.0)
    return [torch.tensordot(factors, each, dims=1) for each in samples]


def book_keeping(step: Step, pairs: torch.Tensor, sign: float) -> list[torch.Tensor]:
    """Bounded sum by the engine that training uses."""
    signs = pairs.new_full((len(pairs),), sign)
    return CLIPPING["book-keeping"](step.critic).sums(pairs, signs, Bound(NORM))


OURS = {
    "book-keeping, real and fake clipped": "per-sample",
    "book-keeping, one factor for the fakes": "common",
    "book-keeping, around the fakes' centre": "centre",
}
OTHERS = {
    "Opacus hooks, real and fake": (opacus_hooks, True),
    "Opacus hooks, real only": (opacus_hooks, False),
    "Opacus fast gradient clipping, real and fake": (opacus_fast_gradient_clipping, True),
    "vmap(grad), real only": (torch_func, False),
}
ROUTES = [REFERENCE, *OTHERS, *OURS]
