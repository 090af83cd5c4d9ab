"""The smallest GAN that still trains, for tests of runs, and those of Kossen et al. 2021 made of it."""

from dataclasses import replace

from privessel.gan.nets import GanShape
from privessel.gan.training import GanTraining

SHAPE = GanShape(
    patch=12, latent=3, generator_width=2, critic_width=2, generator_norm="batch", critic_norm="instance",
    upsampling="transposed", noise_map=True,
)  # fmt: skip
TRAINING = GanTraining(
    batch=4, units=40, generator_batch=4, critic_steps=2, steps_per_epoch=4, epochs=3, kept_epochs=(1, 3),
    optimiser="adam", adam_betas=(0.0, 0.9), generator_learning_rate=1e-2, critic_learning_rate=1e-2,
    decay_start=0.5, loss="wasserstein", weight_clip=0.05, gradient_penalty=0.0, spectral_norm=False, ema=0.9,
    noise_multiplier=None, clipping_norm=1.0, clipping="book-keeping", fake_clipping="per-sample",
    micro_batch=5, label_background=0.0, unit="patch", patient_patches=3, delta=1e-4, patient_delta=1e-3,
    region_patches=8,
    grid_bits=20,
)  # fmt: skip

PENALISED = replace(TRAINING, weight_clip=0.0, gradient_penalty=10.0)
COMPARED = {
    "dcgan": (
        replace(SHAPE, critic_norm="batch"),
        replace(TRAINING, weight_clip=0.0, loss="cross-entropy", critic_steps=1, adam_betas=(0.5, 0.999)),
    ),
    "wgan-gp": (SHAPE, PENALISED),
    "wgan-gp-sn": (SHAPE, replace(PENALISED, spectral_norm=True)),
}
