"""How often a U-Net ends up marking nothing or everything: soft Dice alone, and with `saturation_penalty`.

    python benchmarks/dead_unets.py --seeds 60            # about half an hour on one core

Narrow U-Nets are trained for a few steps on patches of four simulated patients, and judged by the pooled DSC
of uniform brain patches of two others. The two losses take turns on every seed. A network below a DSC of 0.2
counts as dead. The paired difference is over the seeds with which both networks live.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
from privessel.cohort.patches import cut, rescale
from privessel.cohort.sampling import sample_centres
from privessel.phantom import simulate
from privessel.unet import loop
from privessel.unet.net import TrainedUNet, UNetShape, saturation_penalty
from privessel.unet.training import UNetTraining

SIZE, DEAD = 24, 0.2
LOSSES = {"soft Dice": lambda logits: 0 * logits.sum(), "with penalty": saturation_penalty}


def make_patches(seeds: range, *, n: int, uniform: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return images and labels (patients * n, 24, 24): anywhere in the brain, or half of them on vessels."""
    images, labels = [], []
    for seed in seeds:
        phantom = simulate(seed=seed, shape=(160, 192, 48), spacing=(0.5, 0.5, 0.7), parameters="a")
        rng, brain = np.random.default_rng(seed), phantom.brain
        if uniform:
            centres = np.argwhere(brain)[rng.choice(brain.sum(), n, replace=False)]
        else:
            centres = sample_centres(phantom.vessels, brain, n=n, rng=rng)
        images.append(cut((phantom.image * brain).astype(np.float32), centres, SIZE))
        labels.append(cut(phantom.vessels, centres, SIZE))
    return np.concatenate(images), np.concatenate(labels)


def pooled_dsc(trained: TrainedUNet, images: np.ndarray, labels: np.ndarray) -> float:
    """Return the Dice coefficient of all patches together."""
    scaled = ((rescale(images, 0, 255) - trained.mean) / trained.sd).astype(np.float32)
    with torch.inference_mode():
        marked = trained.network(torch.device("cpu"))(torch.from_numpy(scaled)[:, None])[:, 0].numpy() > 0.5
    return 2 * (marked & labels).sum() / max(marked.sum() + labels.sum(), 1)


def compare(rate: float, asked: argparse.Namespace, data: dict[str, tuple[np.ndarray, np.ndarray]]) -> None:
    """Train both losses in turns at one learning rate, and print a row each."""
    images, labels = data["train"]
    training = UNetTraining(
        learning_rate=rate,
        batch=asked.batch,
        epochs=1,
        factor_train_samples=(asked.steps * asked.batch + 0.5) / len(images),
        augment=True,
        ema=0.0,
        checkpoint_seconds=1e9,
        device="cpu",
        threads=1,
    )
    found: dict[str, list[float]] = {name: [] for name in LOSSES}
    for seed in range(asked.seeds):
        for name, penalty in LOSSES.items():
            loop.saturation_penalty = penalty
            with tempfile.TemporaryDirectory() as folder:
                trained, _ = loop.train(
                    images,
                    labels,
                    shape=UNetShape(tuple(asked.filters), 0.0),
                    training=training,
                    seed=seed,
                    start=None,
                    resume=Path(folder),
                    beat=lambda: None,
                )
            found[name].append(pooled_dsc(trained, *data["unseen"]))
    before, after = (np.array(each) for each in found.values())
    both = (before >= DEAD) & (after >= DEAD)
    gain = after[both] - before[both]
    paired = f"{gain.mean():+.4f} +- {gain.std(ddof=1) / np.sqrt(len(gain)):.4f}" if len(gain) > 1 else ""
    for name, each in found.items():
        scores, alive = np.array(each), [one for one in each if one >= DEAD]
        mean = f"{np.mean(alive):.3f}" if alive else ""
        dead = f"{(scores < DEAD).sum()} of {len(scores)}"
        last = paired if name == "with penalty" else ""
        row = [f"{rate:g}", name, dead, mean, f"{scores.min():.2f}", last]
        print(f"| {' | '.join(row)} |", flush=True)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=60)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rates", type=float, nargs="+", default=[1.5e-3, 4e-3])
    parser.add_argument("--filters", type=int, nargs="+", default=[8, 16, 32, 64])
    asked = parser.parse_args()
    data = {
        "train": make_patches(range(1000, 1004), n=1500, uniform=False),
        "unseen": make_patches(range(2000, 2002), n=1000, uniform=True),
    }
    print("| learning rate | loss | dead | mean DSC of the others | least | paired difference +- SE |")
    print("|---|---|---|---|---|---|")
    for rate in asked.rates:
        compare(rate, asked, data)


if __name__ == "__main__":
    main()
