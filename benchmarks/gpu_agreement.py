"""Two parts of benchmarks/gpu.py about correctness: is a private step right, and does it repeat bit for bit.

The oracle computes the same step in float64 on the CPU with torch.func, which shares no code with the
library's clipping engines. It gets the same critic weights, the same sample and the same noise.
"""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import replace

import torch
from gpu_parts import NOISE, Clock, build_gan, private_inputs
from torch import Tensor

from privessel.gan.step import Gan
from privessel.privacy.clipping import Bound
from privessel.privacy.grid import sensitivity
from privessel.privacy.mechanism import CLIPPING, Mechanism, private_gradient

SAMPLES = 8  # real pairs, and as many fakes
STEP = 3  # number of the step, which selects the noise
REPEATS = 5  # of the same private step
TRAINING_STEPS = 2  # generator steps, taken twice from the same start
AGREES = 1e-4  # relative; float32 is between 1e-7 and 2e-5 away from the oracle on CPUs, TF32 about 1e-3


def measure_agreement(clock: Clock, keys: Mapping, *, size: int) -> dict:
    """Return how far each engine's clipped sums and its whole private step are from the oracle.

    Distances are shares of the oracle's norm. Clipped sums are compared layer by layer, for real pairs and
    for fakes; the noise is scaled so that it is as long as a sum may be, so an error of either shows.
    """
    gan, _ = build_gan(keys, size=size, noise=NOISE, batch=SAMPLES, device=clock.device)
    real, fake, mechanism = private_inputs(gan, samples=SAMPLES)
    count = sum(parameter.numel() for parameter in gan.critic.parameters())
    mechanism = replace(mechanism, fake_clipping="per-sample", noise_multiplier=SAMPLES / count**0.5)
    norm = mechanism.clipping_norm
    oracle = {"real": clipped_sums(gan, real, norm), "fake": clipped_sums(gan, fake, norm)}
    step = oracle_step(gan, oracle["real"][0], oracle["fake"][0], mechanism)
    shares = [share for _, share in oracle.values()]
    found: dict = {"share of gradients that are clipped": sum(shares) / len(shares)}
    farthest = []
    for name, engine in CLIPPING.items():
        clipping = engine(gan.critic)
        layers = {}
        for kind, pairs in (("real", real), ("fake", fake)):
            sums = clipping.sums(pairs, pairs.new_ones(len(pairs)), Bound(norm))
            for (layer, exact), total in zip(oracle[kind][0].items(), sums, strict=True):
                layers[f"{kind}, {layer}"] = _distance(total, exact)
        gradient = private_gradient(clipping, real, fake, stream=gan.stream, step=STEP, mechanism=mechanism)
        whole = _distance(_flat(gradient), step)
        found[name] = {"worst layer": max(layers.values()), "whole step": whole, "layers": layers}
        farthest += [whole, *layers.values()]
    # Without a clipped gradient nothing would have been compared that matters. A NaN agrees with nothing.
    found["agrees"] = min(shares) > 0 and all(distance < AGREES for distance in farthest)
    return found


def clipped_sums(gan: Gan, pairs: Tensor, clipping_norm: float) -> tuple[dict[str, Tensor], float]:
    """Return the oracle's sum of clipped gradients of critic(pair), by layer, and the share it clipped."""
    critic = copy.deepcopy(gan.critic).cpu().double()
    weights = {name: weight.detach() for name, weight in critic.named_parameters()}

    def score(values: Mapping[str, Tensor], pair: Tensor) -> Tensor:
        return torch.func.functional_call(critic, values, (pair[None],)).sum()

    gradients = torch.func.vmap(torch.func.grad(score), (None, 0))(weights, pairs.cpu().double())
    norms = torch.stack([part.flatten(1).norm(dim=1) for part in gradients.values()]).norm(dim=0)
    factors = (clipping_norm / norms).clamp(max=1.0)
    sums = {name: torch.tensordot(factors, part, dims=1) for name, part in gradients.items()}
    return sums, float((factors < 1).double().mean())


def oracle_step(gan: Gan, real: Mapping, fake: Mapping, mechanism: Mechanism) -> Tensor:
    """Return the oracle's whole private step as one vector: sums, noise, division by the public numbers."""
    total, fakes = _flat(real.values()), _flat(fake.values())
    noise = torch.from_numpy(gan.stream.normal("noise", STEP, len(total))).double()
    moved = sensitivity(grid_bits=mechanism.grid_bits, numbers=len(total))
    noise *= mechanism.noise_multiplier * moved * mechanism.clipping_norm
    return (noise - total) / mechanism.batch + fakes / mechanism.generator_batch


def measure_repetition(clock: Clock, keys: Mapping, *, size: int) -> dict:
    """Return what has equal bits when it is computed again: private steps, and whole steps of training.

    Trainings start twice from the same seed; weights, batch statistics and optimisers are compared apart.
    """
    gan, _ = build_gan(keys, size=size, noise=NOISE, batch=keys["batch"], device=clock.device)
    real, fake, mechanism = private_inputs(gan, samples=keys["batch"])
    found: dict = {}
    for name, engine in CLIPPING.items():
        if clock.left() <= 0:
            return found | {"result": "the rest was skipped: no time left"}
        clipping = engine(gan.critic)
        steps = (
            _flat(private_gradient(clipping, real, fake, stream=gan.stream, step=STEP, mechanism=mechanism))
            for _ in range(1 + REPEATS)
        )
        first = next(steps)
        found[f"private gradient, {name}"] = all(torch.equal(first, other) for other in steps)
    for name, noise in (("private training", NOISE), ("training without privacy", None)):
        if clock.left() <= 0:
            return found | {"result": "the rest was skipped: no time left"}
        states = []
        for _ in range(2):
            gan, data = build_gan(keys, size=size, noise=noise, batch=keys["batch"], device=clock.device)
            for _ in range(TRAINING_STEPS):
                gan.advance(data)
            states.append(gan.state())
        for part in ("critic", "generator", "optimisers"):
            found[f"{name}, {part}"] = same_bits(states[0][part], states[1][part])
    return found


def same_bits(one: object, other: object) -> bool:
    """Return whether two states of nested dicts, lists and tensors are equal, tensors by their values."""
    if isinstance(one, Tensor):
        return isinstance(other, Tensor) and torch.equal(one, other)
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(same_bits(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same_bits, one, other))
    return one == other


def _distance(value: Tensor, exact: Tensor) -> float:
    return float((value.cpu().double() - exact).norm() / exact.norm())


def _flat(parts: Iterable[Tensor]) -> Tensor:
    return torch.cat([part.detach().flatten() for part in parts])
