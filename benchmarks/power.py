"""Which audit sees which fault of a private training, and how often: of single steps, and end to end.

    python benchmarks/power.py                 # about ten minutes on one core
    python benchmarks/power.py "clip x 1.1"    # one of its rows

The mechanism is the demo's (noise 0.65, 1.28 % of 40,000 patches in each of 900 steps). Single steps are
those of the real code with the smallest nets, and the faults are planted into it. End to end, it is a model
that sees nothing but the canaries' directions, at its strongest: no attack on a real run is better.
"""

import argparse
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from planted_faults import QuietStream, clipped_to, sampled_by
from toy_mechanisms import Toy, likelihood_scores

from privessel.audit.critic_steps import audit_steps
from privessel.audit.plan import Plan, audit, toss_coins
from privessel.gan.nets import GanShape
from privessel.gan.training import GanTraining
from privessel.privacy.accounting import epsilon
from privessel.privacy.keys import Stream

RUNS, GUESSES = 20, 50_000
SHAPE = GanShape(
    patch=12, latent=3, generator_width=2, critic_width=2, generator_norm="batch", critic_norm="none",
    upsampling="transposed", noise_map=False,
)  # fmt: skip
TRAINING = GanTraining(
    batch=512, units=40_000, generator_batch=4, critic_steps=2, steps_per_epoch=150, epochs=3,
    kept_epochs=(3,), optimiser="adam", adam_betas=(0.0, 0.9), generator_learning_rate=1e-3,
    critic_learning_rate=1e-3, decay_start=0.5, loss="wasserstein", weight_clip=0.05, gradient_penalty=0.0,
    spectral_norm=False, ema=0.0, noise_multiplier=0.65, clipping_norm=0.01, clipping="book-keeping",
    fake_clipping="centre", micro_batch=1280, label_background=-1.0, unit="patch", patient_patches=1,
    delta=2.4e-6, patient_delta=1e-5, region_patches=1, grid_bits=20,
)  # fmt: skip
# The demo's plan: the gradient is one of three scores that share the confidence.
PLAN = Plan(
    canaries=400, guesses_in=100, guesses_out=100, scores=("gradient", "critic", "nearest"),
    delta=TRAINING.delta, confidence=0.95,
)  # fmt: skip
TOY = Toy(noise_multiplier=0.65, sampling_rate=0.0128, batches=900, others=40_000, raw_norm=50.0)


@dataclass(frozen=True)
class Fault:
    """A fault as it is planted into the real code, and as it changes the model of a run."""

    planted: Callable[[], AbstractContextManager[None]] = nullcontext
    noise: float = 1.0  # share of the noise that is really drawn
    toy: dict[str, object] = field(default_factory=dict)


FAULTS = {
    "none": Fault(),
    "noise x 0.95": Fault(noise=0.95, toy={"noise_multiplier": 0.95 * 0.65}),
    "clip x 1.1": Fault(planted=lambda: clipped_to(1.1), toy={"noise_multiplier": 0.65 / 1.1}),
    "sample used twice": Fault(
        planted=lambda: sampled_by(lambda step, rate: (step // 2 * 2, rate)),
        toy={"updates": 2, "batches": 450},
    ),
    "rate x 1.1": Fault(
        planted=lambda: sampled_by(lambda step, rate: (step, 1.1 * rate)), toy={"sampling_rate": 1.1 * 0.0128}
    ),
    "rate x 2": Fault(
        planted=lambda: sampled_by(lambda step, rate: (step, 2 * rate)), toy={"sampling_rate": 2 * 0.0128}
    ),
    "half the noise": Fault(noise=0.5, toy={"noise_multiplier": 0.325}),
    "no noise": Fault(noise=0.0, toy={"noisy": False}),
}


def step_audits(fault: Fault) -> tuple[int, float, set[str]]:
    """Return how many audits of steps see a fault, the median bound on eps, and what they call it."""
    found = []
    for run in range(RUNS):
        stream = QuietStream(_key(run), factor=fault.noise)
        with fault.planted():
            found.append(audit_steps(SHAPE, TRAINING, stream=stream, guesses=GUESSES, confidence=0.95))
    names = {name for each in found for name in each.failed.split(", ") if name}
    return sum(each.refuted for each in found), float(np.median([each.epsilon_low for each in found])), names


def run_audits(fault: Fault, plan: Plan) -> tuple[int, float, int, float]:
    """Return how many end-to-end audits see a fault, and their median bound: exact, then if Gaussian."""
    toy = replace(TOY, **fault.toy)
    found = []
    for run in range(RUNS):
        stream = Stream(_key(run))
        scores = likelihood_scores(toy, toss_coins(plan, stream), np.random.default_rng(run))
        named = dict.fromkeys(plan.scores, scores)
        found.append(audit(plan, named, stream=stream, claimed_epsilon=_claim())[0])
    gaussian = [each.epsilon_gaussian for each in found]
    exact = [each.epsilon_low for each in found]
    return (
        sum(each.refuted for each in found), float(np.median(exact)),
        sum(bound > _claim() for bound in gaussian), float(np.median(gaussian)),
    )  # fmt: skip


def _claim() -> float:
    return epsilon(noise_multiplier=0.65, sampling_rate=0.0128, steps=900, delta=TRAINING.delta)


def _key(run: int) -> bytes:
    return (1000 + run).to_bytes(32, "big")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("faults", nargs="*", choices=[*FAULTS, []], default=[])
    torch.set_num_threads(1)
    plans = {"400 canaries": PLAN, "4,000": replace(PLAN, canaries=4000, guesses_in=400, guesses_out=400)}
    heads = [f"{kind}, {size}" for size in plans for kind in ("exact", "if Gaussian")]
    print(f"claimed eps {_claim():.2f}; seen in runs of {RUNS}, median lower bound in brackets\n")
    print(f"| fault | single steps | {' | '.join(heads)} | called |")
    print("|---" * (3 + len(heads)) + "|")
    for name in parser.parse_args().faults or FAULTS:
        seen, low, called = step_audits(FAULTS[name])
        row = [f"{seen} ({low:.2f})"]
        for plan in plans.values():
            exact, exact_low, gaussian, gaussian_low = run_audits(FAULTS[name], plan)
            row += [f"{exact} ({exact_low:.2f})", f"{gaussian} ({gaussian_low:.2f})"]
        print(f"| {name} | {' | '.join(row)} | {', '.join(sorted(called))} |", flush=True)


if __name__ == "__main__":
    main()
