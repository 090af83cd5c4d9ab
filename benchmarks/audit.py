"""What the audit of eps can and cannot see: false alarms, bounds, power against bugs, the published code.

    python benchmarks/audit.py                 # some minutes on one core
    python benchmarks/audit.py alarms power    # some of its tables

All by simulation of mechanisms whose eps is known; benchmarks/canaries.py has a small private GAN.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.stats import beta

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from toy_mechanisms import Toy, likelihood_scores

from privessel.audit.plan import Plan, count_right, p_value, toss_coins
from privessel.privacy.accounting import epsilon
from privessel.privacy.keys import Stream
from privessel.privacy.published import epsilon_published, epsilon_reused

Scorer = Callable[[np.ndarray, np.random.Generator], np.ndarray]
PLAN = Plan(canaries=1000, guesses_in=100, guesses_out=0, scores=("likelihood",), delta=1e-5, confidence=0.95)
TOY = Toy(noise_multiplier=1.0, sampling_rate=0.02, batches=200, others=1600, raw_norm=50.0)
DEMO = Toy(noise_multiplier=0.65, sampling_rate=0.0128, batches=1350, others=40_000, raw_norm=50.0)
PAPER = Toy(
    noise_multiplier=0.65, sampling_rate=32 / 41_000, batches=64_050, others=41_000, raw_norm=50.0, updates=5,
    divided_by="drawn",
)  # fmt: skip
REDUCED = replace(PAPER, noise_multiplier=0.8, sampling_rate=0.002, batches=4000, others=16_000)
PAPER_NOISE = (2.0, 1.5, 1.2, 1.0, 0.8, 0.725, 0.65)


def bounds(plan: Plan, scorer: Scorer, *, runs: int) -> np.ndarray:
    """Return the bound of every run; run i has coins and noise of its own."""
    found = []
    for run in range(runs):
        inserted = toss_coins(plan, _stream(run))
        scores = scorer(inserted, np.random.default_rng(run))
        found.append(plan.bound(count_right(plan, scores, inserted)))
    return np.array(found)


def false_alarms() -> None:
    """Print how often a bound lies above the true eps."""
    plan, eps = replace(PLAN, guesses_out=100), 1.0
    exact = replace(plan, delta=0.0)
    truth = 1 / (1 + np.exp(-eps))

    def nothing(inserted: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return rng.random(len(inserted))

    def response(inserted: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return (inserted ^ (rng.random(len(inserted)) > truth)) + rng.random(len(inserted))

    def gaussian(inserted: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return inserted + rng.standard_normal(len(inserted))

    def toy(inserted: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return likelihood_scores(TOY, inserted, rng)

    cases = (
        ("releases nothing", plan, nothing, 0.0, 4000),
        ("randomised response, delta 0", exact, response, eps, 4000),
        ("Gaussian, noise 1", plan, gaussian, _spent(1.0, 1.0, 1), 4000),
        ("Poisson-sampled Gaussian, 200 steps", PLAN, toy, _spent(1.0, 0.02, 200), 300),
    )
    print("\n| mechanism | true eps | runs | bound above it | nominal | median bound | largest |")
    print("|---|---|---|---|---|---|---|")
    for name, plan_of, scorer, true, runs in cases:
        found = bounds(plan_of, scorer, runs=runs)
        share, middle, most = (found > true).mean(), np.median(found), found.max()
        print(f"| {name} | {true:.2f} | {runs} | {share:.1%} | 5 % | {middle:.2f} | {most:.2f} |")
    alarms, runs = 0, 500
    for run in range(runs):
        inserted = toss_coins(plan, _stream(run))
        right = np.cumsum(inserted[np.argsort(np.random.default_rng(run).random(len(inserted)))])
        alarms += any(
            p_value(canaries=1000, guesses=k, right=int(right[k - 1]), epsilon=0.0, delta=0.0) < 0.05
            for k in range(10, 1001, 10)
        )
    print(
        f"| releases nothing, threshold chosen afterwards | 0.00 | {runs} | {alarms / runs:.1%} | 5 % | | |"
    )


def visible() -> None:
    """Print the bound on Gaussian mechanisms against their eps, by the number of canaries."""
    print(
        "\n| canaries | guesses | ceiling | "
        + " | ".join(f"noise {1 / mu:g}" for mu in (0.5, 1, 2, 4))
        + " |"
    )
    print("|---|---|---|---|---|---|---|")
    true = " | ".join(f"eps {_spent(1 / mu, 1.0, 1):.2f}" for mu in (0.5, 1, 2, 4))
    print(f"| (truth) | | | {true} |")
    for canaries in (100, 200, 500, 1000, 5000, 20_000):
        plan = replace(PLAN, canaries=canaries, guesses_in=canaries // 10, guesses_out=canaries // 10)
        medians = []
        for mu in (0.5, 1, 2, 4):

            def gaussian(inserted: np.ndarray, rng: np.random.Generator, mu: float = mu) -> np.ndarray:
                return mu * inserted + rng.standard_normal(len(inserted))

            medians.append(np.median(bounds(plan, gaussian, runs=100)))
        print(
            f"| {canaries} | {plan.guesses} | {plan.ceiling:.2f} | "
            + " | ".join(f"{each:.2f}" for each in medians)
            + " |"
        )


def power() -> None:
    """Print how often each planted bug is flagged: in the toy made for it, and at the demo's scale."""
    bugs = {
        "none": {},
        "no noise": {"noisy": False},
        "clipped after the sum": {"clipped": "mean"},
        "sample used 5 times, charged once": {"updates": 5},
        "noise halved": {"noise": 0.5},
    }
    cases = (
        ("toy", TOY, PLAN, bugs, 300),
        ("demo", DEMO, replace(PLAN, canaries=400, guesses_in=40), bugs, 40),
        ("demo", DEMO, replace(PLAN, canaries=4000, guesses_in=400), bugs, 10),
    )
    print(
        "\n| scale | canaries | guesses | claimed eps | bug | flagged | at least | median bound | ceiling |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for scale, toy, plan, planted, runs in cases:
        claim = _spent(toy.noise_multiplier, toy.sampling_rate, toy.batches)
        for name, change in planted.items():
            factor = change.get("noise", 1.0)
            broken = replace(toy, **{key: value for key, value in change.items() if key != "noise"})
            broken = replace(broken, noise_multiplier=factor * toy.noise_multiplier)

            def scorer(inserted: np.ndarray, rng: np.random.Generator, broken: Toy = broken) -> np.ndarray:
                return likelihood_scores(broken, inserted, rng)

            found = bounds(plan, scorer, runs=runs)
            flagged = int((found > claim).sum())
            least = beta.ppf(0.05, flagged, runs - flagged + 1) if flagged else 0.0
            print(
                f"| {scale} | {plan.canaries} | {plan.guesses} | {claim:.2f} | {name} "
                f"| {flagged} of {runs} | {least:.1%} | {np.median(found):.2f} | {plan.ceiling:.2f} |",
                flush=True,
            )


def published() -> None:
    """Print the audit of the published mechanism at the paper's own numbers, delta 1/41,000."""
    few, many = (
        replace(PLAN, canaries=2500, guesses_in=guesses, delta=1 / 41_000) for guesses in (125, 1100)
    )
    print(
        "\n| noise | printed eps | guaranteed eps "
        f"| bound, {few.guesses} guesses | bound, {many.guesses} guesses |"
    )
    print("|---|---|---|---|---|")
    for noise in PAPER_NOISE:
        spent = {
            "noise_multiplier": noise,
            "sampling_rate": PAPER.sampling_rate,
            "steps": PAPER.batches * PAPER.updates,
            "delta": few.delta,
        }
        printed, valid = epsilon_published(**spent), epsilon_reused(**spent, critic_steps=PAPER.updates)
        toy = replace(PAPER, noise_multiplier=noise)
        row = []
        for plan in (few, many):
            ((found),) = bounds(
                plan, lambda inserted, rng, toy=toy: likelihood_scores(toy, inserted, rng), runs=1
            )
            row.append(f"{found:.2f}" + (" (refuted)" if found > printed else ""))
        print(
            f"| {noise} | {printed:.2f} | {valid:.2f} | {' | '.join(row)} |",
            flush=True,
        )
    print(f"| ceiling | | | {few.ceiling:.2f} | {many.ceiling:.2f} |")
    plan, runs = replace(PLAN, canaries=4000, guesses_in=400), 20
    spent = {
        "noise_multiplier": REDUCED.noise_multiplier,
        "sampling_rate": REDUCED.sampling_rate,
        "steps": REDUCED.batches * REDUCED.updates,
        "delta": plan.delta,
    }
    printed, valid = epsilon_published(**spent), epsilon_reused(**spent, critic_steps=REDUCED.updates)
    found = bounds(plan, lambda inserted, rng: likelihood_scores(REDUCED, inserted, rng), runs=runs)
    print(
        f"Fewer batches (4,000 of rate 0.002, noise 0.8): printed eps {printed:.2f}, guaranteed {valid:.2f}; "
        f"bound {found.min():.2f} to {found.max():.2f}, printed eps refuted in {(found > printed).sum()} of "
        f"{runs} runs, ceiling {plan.ceiling:.2f}"
    )


def _spent(noise: float, rate: float, steps: int) -> float:
    return epsilon(noise_multiplier=noise, sampling_rate=rate, steps=steps, delta=PLAN.delta)


def _stream(seed: int) -> Stream:
    return Stream(seed.to_bytes(32, "big"))


TABLES = {
    "alarms": false_alarms,
    "visible": visible,
    "power": power,
    "published": published,
}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="*", choices=[*TABLES, []], default=[])
    for name in parser.parse_args().tables or TABLES:
        TABLES[name]()


if __name__ == "__main__":
    main()
