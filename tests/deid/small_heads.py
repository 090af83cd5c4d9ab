"""Heads of a few voxels and the smallest GAN for them, for tests of training and synthesis."""

import numpy as np
import torch

from privessel.deid.pyramid import halve_gamma
from privessel.deid.shape import HeadGanShape
from privessel.deid.training import HeadGanTraining
from privessel.deid.training_heads import TrainingHeads, make_gamma

SHAPE = HeadGanShape(
    size=8, blocks="plain", generator_widths=(4, 3), discriminator_widths=(4, 3), noise=1, place=True
)
TRAINING = HeadGanTraining(
    steps=6, batch=2, optimiser="adam", betas=(0.0, 0.99), generator_learning_rate=1e-3,
    discriminator_learning_rate=1e-3, decay_start=0.5, ema=0.9, warm_up=2, warm_up_learning_rate=2e-3,
    reconstruction=0.5, r1=10.0, r1_every=2, flip=True, shift=1, checkpoint_seconds=1e9, device="cpu",
    threads=1,
)  # fmt: skip
SHAPES = {
    "plain with place": SHAPE,
    "mobile without place": HeadGanShape(
        size=16, blocks="mobile", generator_widths=(4, 3, 2), discriminator_widths=(4, 3, 2), noise=0,
        place=False,
    ),
}  # fmt: skip


def make_heads(n=5, size=8, *, seed=0):
    """Return grey balls (head) around balls of all grey values (brain), in slightly larger balls (hull)."""
    rng = np.random.default_rng(seed)
    grid = np.mgrid[:size, :size, :size] - (size - 1) / 2
    radius = np.sqrt((grid**2).sum(0)) / size + rng.uniform(-0.03, 0.03, (n, 1, 1, 1))
    head, brains, hulls = radius < 0.42, radius < 0.25, radius < 0.48
    images = np.where(brains, rng.uniform(0.05, 0.95, head.shape), head * rng.uniform(0.4, 0.6, head.shape))
    people = [f"p{k}" for k in range(n)]
    return TrainingHeads(images.astype(np.float32), hulls, brains, people)


def scales_of(heads, shape, *, seed=0):
    """Return gamma of all heads at each scale of a shape."""
    gamma = torch.stack(
        [make_gamma(*rows)[1] for rows in zip(heads.images, heads.hulls, heads.brains, strict=True)]
    )
    return halve_gamma(gamma, shape.scales, draw=torch.Generator().manual_seed(seed))
