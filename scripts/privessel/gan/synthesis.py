"""Labelled pairs from a trained generator."""

from pathlib import Path

import numpy as np
import torch

from privessel.cohort.patches import rescale
from privessel.errors import DamagedError
from privessel.files import checkpoint
from privessel.files.reading import REMEDY, reading
from privessel.gan.nets import GanShape, Generator
from privessel.seeds import derive
from privessel.study.names import GanName


def pairs_seed(seed: int, name: GanName) -> int:
    """Return the seed of the pairs called `name` in a study with this `seed`; ValueError without an epoch.

    The seed is published, so a release must not contain it: `release.forbidden` searches for it. Shuffled
    pairs are the same pairs with other labels, so they have the same seed.
    """
    if name.epoch is None:
        raise ValueError(f"{name} names a run and not the pairs of one of its epochs")
    return derive(seed, "synthesis", name.arch, name.level, str(name.run), str(name.epoch))


def load_generator(path: Path) -> Generator:
    """Return the generator that training saved, on the CPU; DamagedError where the file holds none."""
    saved = checkpoint.load(path)
    if not {"shape", "weights"} <= saved.keys():
        raise DamagedError(f"{path} is no generator: it holds {', '.join(map(str, saved))}. {REMEDY}")
    with reading(path):
        generator = Generator(GanShape(**saved["shape"]))
        generator.load_state_dict(saved["weights"])
    return generator.eval()


def synthesise(
    path: Path, *, n: int, seed: int, label_threshold: float, batch: int, device: str
) -> tuple[np.ndarray, np.ndarray]:
    """Make `n` pairs: images (n, s, s) uint8, each scaled to 0..255 by itself, and labels (n, s, s) bool.

    A pixel is vessel where the label channel, which is trained towards 0 and 1, exceeds `label_threshold`
    (0.8 in the published code). The same seed gives the same Gaussian inputs, whatever the batch.
    """
    generator = load_generator(path).to(device)
    size, inputs = generator.shape.patch, generator.shape.inputs
    images, labels = np.empty((n, size, size), np.uint8), np.empty((n, size, size), bool)
    rng = np.random.default_rng(seed)
    for start in range(0, n, batch):
        count = min(batch, n - start)
        latents = rng.standard_normal((count, inputs), np.float32)
        with torch.no_grad():
            pairs = generator(torch.from_numpy(latents).to(device)).cpu().numpy()
        images[start : start + count] = np.rint(rescale(pairs[:, 0], 0, 255))
        labels[start : start + count] = pairs[:, 1] > label_threshold
    return images, labels
