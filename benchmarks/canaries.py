"""How well each kind of canary is told, by its gradient and by the critic's score, in a small private GAN.

python benchmarks/canaries.py              # some minutes on one core
"""

import sys
from pathlib import Path

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from sklearn.metrics import roc_auc_score

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from privessel.audit.canaries import KINDS, GradientWatch, draw_canaries, insert
from privessel.audit.plan import Plan, audit, toss_coins
from privessel.gan.nets import GanShape
from privessel.gan.pairs import Pairs
from privessel.gan.step import Gan
from privessel.gan.training import GanTraining
from privessel.privacy.accounting import epsilon
from privessel.privacy.keys import Stream

PLAN = Plan(canaries=300, guesses_in=30, guesses_out=0, scores=("gradient",), delta=1e-5, confidence=0.95)


def audit_kind(kind: str, *, critic_norm: str, noise: float) -> str:
    """Return the row of one kind: what the audit of a run with such canaries finds."""
    shape = GanShape(
        patch=24, latent=16, generator_width=8, critic_width=8, generator_norm="batch",
        critic_norm=critic_norm, upsampling="nearest", noise_map=True,
    )  # fmt: skip
    training = GanTraining(
        batch=100, units=2000, generator_batch=64, critic_steps=3, steps_per_epoch=40, epochs=1,
        kept_epochs=(1,), optimiser="adam", adam_betas=(0.0, 0.9), generator_learning_rate=1e-3,
        critic_learning_rate=1e-3, decay_start=0.5, loss="wasserstein", weight_clip=0.05,
        gradient_penalty=0.0, spectral_norm=False, ema=0.0, noise_multiplier=noise,
        clipping_norm=0.01, clipping="book-keeping",
        fake_clipping="centre" if critic_norm == "none" else "per-sample",
        micro_batch=512, label_background=-1.0,
        unit="patch", patient_patches=1, delta=1e-5, patient_delta=1e-5, region_patches=1, grid_bits=20,
    )  # fmt: skip
    inserted = toss_coins(PLAN, _stream(1))
    images, labels = smooth_patches(2000, seed=1)
    canaries = draw_canaries(
        kind, canaries=300, size=24, rng=np.random.default_rng(2), reference=smooth_patches(300, seed=3)
    )
    whole = insert(images, labels, np.zeros(2000, int), canaries=canaries, inserted=inserted, copies=1)
    on = {"device": "cpu", "background": -1.0}
    data = Pairs(whole[0], whole[1], patients=whole[2], **on)
    probes = Pairs(*canaries, patients=np.arange(300), **on).take(np.arange(300))
    gan = Gan(shape, training, stream=_stream(4), device="cpu")
    watch = GradientWatch(probes, genuine=2000, score_every=1)
    with watch.open(gan, data):
        for _ in range(training.steps):
            gan.advance(data)
    spent = epsilon(noise_multiplier=noise, sampling_rate=training.sampling_rate, steps=120, delta=PLAN.delta)
    (found,) = audit(PLAN, {"gradient": watch.scores}, stream=_stream(1), claimed_epsilon=spent)
    with torch.no_grad():
        critic = gan.critic(probes).numpy()
    areas = [f"{roc_auc_score(inserted, each):.3f}" for each in (watch.scores, critic)]
    bound = f"{found.epsilon_low:.2f} ({found.ceiling:.2f})"
    row = (critic_norm, str(noise), f"{found.claimed_epsilon:.1f}", kind, *areas, bound)
    return f"| {' | '.join(row)} |"


def smooth_patches(n: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return patches that are smooth as scans are, the brightest tenth vessel."""
    blurred = gaussian_filter(np.random.default_rng(seed).normal(size=(n, 24, 24)), (0, 2, 2))
    blurred -= blurred.min(axis=(1, 2), keepdims=True)
    images = (2 * blurred / blurred.max(axis=(1, 2), keepdims=True) - 1).astype(np.float32)
    return images, images > np.quantile(images, 0.9, axis=(1, 2), keepdims=True)


def main() -> None:
    """Print how well each kind of canary is told in a small private GAN."""
    print("\n| critic norm | noise | eps | canaries | AUC, gradient | AUC, critic score | bound (ceiling) |")
    print("|---|---|---|---|---|---|---|")
    torch.set_num_threads(1)
    for critic_norm in ("none", "instance"):
        for noise in (0.3, 0.65):
            for kind in KINDS:
                print(audit_kind(kind, critic_norm=critic_norm, noise=noise), flush=True)


def _stream(seed: int) -> Stream:
    return Stream(seed.to_bytes(32, "big"))


if __name__ == "__main__":
    main()
