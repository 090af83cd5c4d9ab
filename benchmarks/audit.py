"""What the audit of eps can and cannot see: false alarms, bounds, power against bugs, the published code.

    python benchmarks/audit.py                 # about ten minutes on one core
    python benchmarks/audit.py alarms power    # some of its tables

All by simulation: of mechanisms whose eps is known, and of a small private GAN.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from scipy.stats import beta
from sklearn.metrics import roc_auc_score

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from privessel.audit import Plan, audit, count_right, p_value, toss_coins
from privessel.canaries import KINDS, draw_canaries, insert, watch_gradients
from privessel.gan_steps import Gan, Pairs
from privessel.gans import GanShape
from privessel.hyperparameters import GanTraining
from privessel.privacy.accounting import epsilon, epsilon_published, epsilon_reused
from privessel.privacy.keys import Stream
from privessel.toy_mechanisms import Toy, likelihood_scores

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


def kinds() -> None:
    """Print how well each kind of canary is told in a small private GAN."""
    print("\n| critic norm | noise | eps | canaries | AUC, gradient | AUC, critic score | bound (ceiling) |")
    print("|---|---|---|---|---|---|---|")
    torch.set_num_threads(1)
    for critic_norm in ("none", "instance"):
        for noise in (0.3, 0.65):
            for kind in KINDS:
                print(_kind_row(kind, critic_norm=critic_norm, noise=noise), flush=True)


def _kind_row(kind: str, *, critic_norm: str, noise: float) -> str:
    shape = GanShape(
        patch=24, latent=16, generator_width=8, critic_width=8, generator_norm="batch",
        critic_norm=critic_norm, upsampling="nearest", noise_map=True,
    )  # fmt: skip
    training = GanTraining(
        batch=100, generator_batch=64, critic_steps=3, steps_per_epoch=40, epochs=1, kept_epochs=(1,),
        optimiser="adam", adam_betas=(0.0, 0.9), generator_learning_rate=1e-3, critic_learning_rate=1e-3,
        decay_start=0.5, loss="wasserstein", weight_clip=0.05, gradient_penalty=0.0, spectral_norm=False,
        ema=0.0, noise_multiplier=noise, clipping_norm=0.01, clipping="book-keeping",
        fakes="centre" if critic_norm == "none" else "per-sample", micro_batch=512, label_background=-1.0,
        unit="patch", patient_patches=1, delta=1e-5, patient_delta=1e-3,
    )  # fmt: skip
    plan = replace(PLAN, canaries=300, guesses_in=30)
    inserted = toss_coins(plan, _stream(1))
    images, labels = _smooth_patches(2000, seed=1)
    canaries = draw_canaries(
        kind, canaries=300, size=24, rng=np.random.default_rng(2), reference=_smooth_patches(300, seed=3)
    )
    whole = insert(images, labels, np.zeros(2000, int), canaries=canaries, inserted=inserted, copies=1)
    on = {"device": "cpu", "background": -1.0}
    data = Pairs(whole[0], whole[1], patients=whole[2], **on)
    probes = Pairs(*canaries, patients=np.arange(300), **on).take(np.arange(300))
    gan = Gan(shape, training, stream=_stream(4), device="cpu")
    with watch_gradients(gan, data, probes, genuine=2000) as scores:
        for _ in range(training.steps):
            gan.advance(data)
    rate = training.sampling_rate(patches=len(data), patients=1)
    (found,) = audit(
        plan, {"likelihood": scores}, stream=_stream(1), claimed_epsilon=_spent(noise, rate, 120)
    )
    with torch.no_grad():
        critic = gan.critic(probes).numpy()
    areas = [f"{roc_auc_score(inserted, each):.3f}" for each in (scores, critic)]
    bound = f"{found.epsilon_low:.2f} ({found.ceiling:.2f})"
    row = (critic_norm, str(noise), f"{found.claimed_epsilon:.1f}", kind, *areas, bound)
    return f"| {' | '.join(row)} |"


def _smooth_patches(n: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return patches that are smooth as scans are, the brightest tenth vessel."""
    blurred = gaussian_filter(np.random.default_rng(seed).normal(size=(n, 24, 24)), (0, 2, 2))
    blurred -= blurred.min(axis=(1, 2), keepdims=True)
    images = (2 * blurred / blurred.max(axis=(1, 2), keepdims=True) - 1).astype(np.float32)
    return images, images > np.quantile(images, 0.9, axis=(1, 2), keepdims=True)


def _spent(noise: float, rate: float, steps: int) -> float:
    return epsilon(noise_multiplier=noise, sampling_rate=rate, steps=steps, delta=PLAN.delta)


def _stream(seed: int) -> Stream:
    return Stream(seed.to_bytes(32, "big"))


TABLES = {
    "alarms": false_alarms,
    "visible": visible,
    "power": power,
    "published": published,
    "kinds": kinds,
}


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", nargs="*", choices=[*TABLES, []], default=[])
    for name in parser.parse_args().tables or TABLES:
        TABLES[name]()


if __name__ == "__main__":
    main()
