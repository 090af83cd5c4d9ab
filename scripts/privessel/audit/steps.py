"""An audit of single private steps: which noise, clipping and samples do they really have?

A run shows an attacker little of each step, so an audit of whole runs sees large faults only. This one calls
the code of a step many times. The net gets a `Probe`: up to a hundred weights more, one for each canary,
at which nothing but that canary has a gradient. There a canary's gradient is so much larger than elsewhere
that clipping leaves a vector of length C along its own weight. In each step a fair coin for every canary
decides whether it is in. The auditor knows the sum of all other units, as the definition of privacy allows,
subtracts it, and guesses "in" where a canary's coordinate is beyond C / 2. This threshold is fixed before
anything is drawn. The coordinates get independent noise, so the guesses are independent given the coins, and
their rates have exact bounds (`gaussian.rate_bounds`). What they show of one step is composed by the
accountant over all steps of a run (Nasr et al. 2023, "Tight Auditing of Differentially Private Machine
Learning", arXiv:2302.07956).

No patch of anybody is needed, and nothing is charged. This is what the audits of a private critic
(`critic_steps`) and of a private U-Net (`unet_steps`) have in common.
"""

import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.stats import binom, chi2
from torch import Tensor, nn

from privessel.audit.canaries import NoNoise, draw_canaries
from privessel.audit.gaussian import mu_of_rates, rate_bounds
from privessel.privacy.accounting import RELATIVE_ERROR, epsilon
from privessel.privacy.keys import Stream
from privessel.privacy.terms import PrivateTerms
from privessel.scores.formatting import format_eps

log = logging.getLogger(__name__)

CANARIES = 100  # of a step, at most; a patch has a pixel for each
OTHERS = 8  # units that are in every step, and that the auditor knows
AMPLITUDE = 2.0**20  # of a canary's gradient at its weight; elsewhere it is some thousands at most
TRIALS = 1 << 25  # of the sampler: steps times units
GUESSING = 0.9  # share of the allowed error for the two rates of guesses; four other statements have the rest


@dataclass(frozen=True)
class StepFinding:
    """What an audit of a level's steps shows; all bounds hold together with the confidence."""

    steps: int  # steps taken to look at clipping and noise
    canaries: int  # guesses in each
    guesses_in: int  # canaries that were in
    found: int  # of these, guessed rightly
    guesses_out: int  # canaries that were not
    false: int  # of these, guessed to be in
    noise_multiplier: float  # claimed, that of the accountant
    noise_high: float  # upper bound on it; infinite where nothing is shown
    sampled_steps: int  # steps taken to look at samples
    sampling_rate: float  # claimed
    rate_low: float  # lower bound on it
    fresh_p: float  # largest chance of so many units in two samples in a row, if each sample is fresh
    noisy_p: float  # chance that some parameter gets so little noise, if all get what is claimed
    confidence: float
    epsilon_low: float  # lower bound on eps of a run of such steps
    claimed_epsilon: float
    failed: str  # what is not as claimed: noise or clipping, sampling rate, fresh samples, noise everywhere

    @property
    def refuted(self) -> bool:
        """Whether something is not as claimed."""
        return bool(self.failed)


@dataclass(frozen=True)
class Subject:
    """The step that is audited, by the code that trains; it only has to be called.

    `release` returns what a step releases of given units: `release(units, stream, step)`. `sample` draws a
    step's sample of whatever stands in for the patches: `sample(patches, stream, step)`.
    """

    training: PrivateTerms
    steps: int  # of the whole run
    probe: "Probe"
    units: Tensor  # (OTHERS + canaries, 3, s, s): the other units' patches, then the canaries'
    patches_per_unit: int
    scale: float  # expected batch over clipping norm: it brings what is released to units of C
    sign: float  # of a unit's gradient in what is released
    release: Callable[[Tensor, Any, int], Sequence[Tensor]]
    sample: Callable[[Any, Stream, int], np.ndarray]


class Probe(nn.Module):
    """A net of one number a sample, with one weight more for each of `canaries` pixels of a third channel.

    The weights are 0, so no score changes. Only pairs with a pixel there have a gradient at them.
    """

    def __init__(self, critic: nn.Module, canaries: int) -> None:
        super().__init__()
        self.critic, self.canaries = critic, canaries
        device = next(critic.parameters()).device
        self.reserved = nn.Linear(canaries, 1, bias=False, device=device)
        nn.init.zeros_(self.reserved.weight)

    def forward(self, pairs: Tensor) -> Tensor:
        """(n, 3, s, s) to (n,)."""
        pixels = pairs[:, 2].flatten(1)[:, : self.canaries]
        return self.critic(pairs[:, :2]) + self.reserved(pixels).flatten()


def count_canaries(patch: int) -> int:
    """Return how many canaries a step has: one for each pixel of a patch, up to `CANARIES`."""
    return min(CANARIES, patch**2)


def examine(subject: Subject, *, stream: Stream, guesses: int, confidence: float) -> StepFinding:
    """Return what about `guesses` guesses show of a subject's steps; all bounds hold together.

    `stream` draws samples, noise and the coins.
    """
    training = subject.training
    level, small = (1 - confidence) * GUESSING / 2, (1 - confidence) * (1 - GUESSING) / 4
    coins, beyond, noise = _take_steps(subject, stream, guesses=guesses)
    found, inside = int((coins & beyond).sum()), int(coins.sum())
    false, outside = int((~coins & beyond).sum()), int((~coins).sum())
    mu = mu_of_rates(
        found=rate_bounds(found, inside, level=level)[0], false=rate_bounds(false, outside, level=level)[1]
    )
    noisy = min(1.0, len(noise) * min(chi2.cdf(total, n) for total, n in noise))
    sampled_steps, rate_low, fresh = _look_at_samples(subject, stream, level=small)
    claimed = {"noise_multiplier": training.noise_multiplier, "sampling_rate": training.sampling_rate}
    run = {"steps": subject.steps, "delta": training.unit_delta}
    failed = {
        "noise or clipping": mu * training.noise_multiplier > 1,
        "sampling rate": rate_low > training.sampling_rate,
        "fresh samples": fresh < small,
        "noise everywhere": noisy < small,
    }
    low = 0.0
    if mu > 0 and rate_low > 0:
        low = epsilon(noise_multiplier=1 / mu, sampling_rate=rate_low, **run) / (1 + RELATIVE_ERROR)
    finding = StepFinding(
        steps=len(coins), canaries=coins.shape[1],
        guesses_in=inside, found=found, guesses_out=outside, false=false,
        noise_high=1 / mu if mu > 0 else math.inf,
        sampled_steps=sampled_steps, rate_low=rate_low, fresh_p=fresh, noisy_p=float(noisy),
        confidence=confidence, epsilon_low=low, claimed_epsilon=epsilon(**claimed, **run),
        failed=", ".join(name for name, seen in failed.items() if seen),
        **claimed,
    )  # fmt: skip
    shown, claim = format_eps(finding.epsilon_low), format_eps(finding.claimed_epsilon)
    log.info("eps of a %s in a run of such steps is at least %s; %s is claimed", training.unit, shown, claim)
    if finding.refuted:
        log.warning("REFUTED: %s not as claimed. Do not release what this code trains", finding.failed)
    return finding


def _take_steps(
    subject: Subject, stream: Stream, *, guesses: int
) -> tuple[np.ndarray, np.ndarray, list[tuple[float, int]]]:
    """Take private steps; return coins and coordinates beyond C / 2, both (steps, canaries), and the noise.

    The noise is given for each parameter of the net: the sum of squares of what is left without the other
    units, in units of the claimed variance, and the number of values.
    """
    canaries, probe, units = subject.probe.canaries, subject.probe, subject.units
    steps, copies = -(-guesses // canaries), subject.patches_per_unit
    public = subject.release(units[:OTHERS].repeat_interleave(copies, dim=0), NoNoise(), 0)
    coins, beyond = np.zeros((steps, canaries), bool), np.zeros((steps, canaries), bool)
    squares = [0.0] * len(public)
    reserved = [name for name, _ in probe.named_parameters()].index("reserved.weight")
    for number in range(steps):
        if 10 * number // steps > 10 * (number - 1) // steps:
            log.info("step %d of %d", number, steps)
        coins[number] = stream.uniform("coins of canaries", number, canaries) < 0.5
        chosen = np.concatenate([np.arange(OTHERS), OTHERS + np.flatnonzero(coins[number])])
        real = units[torch.from_numpy(chosen).to(units.device)].repeat_interleave(copies, dim=0)
        released = subject.release(real, stream, number)
        for place, value in enumerate(released):
            rest = (value.double() - public[place].double()) * subject.scale
            if place == reserved:
                beyond[number] = (subject.sign * rest.flatten() > 0.5).cpu().numpy()
            else:
                squares[place] += float(rest.square().sum()) / subject.training.noise_multiplier**2
    values = [steps * parameter.numel() for parameter in probe.parameters()]
    noise = [each for place, each in enumerate(zip(squares, values, strict=True)) if place != reserved]
    return coins, beyond, noise


def draw_units(size: int, canaries: int, *, background: float, device: str) -> Tensor:
    """Return the other units' patches, then the canaries', (OTHERS + canaries, 3, s, s).

    Images in [-1, 1], labels of 1 and `background`, and in the third channel each canary's own pixel.
    """
    n = OTHERS + canaries
    images, labels = draw_canaries("noise", canaries=n, size=size, rng=np.random.default_rng(0))
    pairs = np.zeros((n, 3, size, size), np.float32)
    pairs[:, 0], pairs[:, 1] = images, np.where(labels, 1.0, background)
    reserved = pairs[OTHERS:, 2].reshape(canaries, -1)
    reserved[np.arange(canaries), np.arange(canaries)] = AMPLITUDE
    return torch.from_numpy(pairs).to(device)


class _Numbers:
    """Stands in for a run's patches: what is sampled of it are the numbers of its units."""

    def __init__(self, training: PrivateTerms) -> None:
        self.each = training.patches_per_unit
        patches = np.arange(training.units * self.each)
        # Where patches are the units, nothing depends on whose they are.
        self.of_patient: Sequence[np.ndarray] = (
            patches.reshape(-1, self.each) if training.by_patient else [patches]
        )

    def take(self, indices: np.ndarray) -> np.ndarray:
        return np.unique(indices // self.each)


def _look_at_samples(subject: Subject, stream: Stream, *, level: float) -> tuple[int, float, float]:
    """Draw samples of the run's first steps; return their number, a lower bound on the rate, and a chance.

    That is the chance, at the largest rate that the samples allow, that so many units of every second sample
    are also in the one after it.
    """
    training = subject.training
    steps = 2 * max(1, min(subject.steps, TRIALS // training.units) // 2)
    numbers = _Numbers(training)
    samples = [subject.sample(numbers, stream, step) for step in range(steps)]
    hits = sum(len(sample) for sample in samples)
    low, high = rate_bounds(hits, steps * training.units, level=level)
    both = sum(len(np.intersect1d(*pair)) for pair in zip(samples[::2], samples[1::2], strict=True))
    return steps, low, float(binom.sf(both - 1, sum(map(len, samples[::2])), high))
