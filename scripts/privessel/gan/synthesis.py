"""Labelled pairs from a trained generator."""

from pathlib import Path

import numpy as np
import torch

from privessel.cohort.patches import rescale
from privessel.errors import DamagedError
from privessel.files import checkpoint
from privessel.files.reading import REMEDY, reading
from privessel.gan.nets import GanShape, Generator


def load_generator(path: Path) -> Generator:
    """Return the generator that training saved, on the CPU; DamagedError where the file is none."""
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
    """Draw `n` pairs: images (n, s, s) uint8, each scaled to 0..255 by itself, and labels (n, s, s) bool.

    A pixel is vessel where the label channel, trained towards 0 and 1, is above `label_threshold` (0.8 in the
    published code). The same seed gives the same Gaussian inputs whatever the batch.
    """
    generator = load_generator(path).to(device)
    size, inputs = generator.shape.patch, generator.shape.inputs
    images, labels = np.empty((n, size, size), np.uint8), np.empty((n, size, size), bool)
    draws = np.random.default_rng(seed)
    for start in range(0, n, batch):
        count = min(batch, n - start)
        latents = draws.standard_normal((count, inputs), np.float32)
        with torch.no_grad():
            pairs = generator(torch.from_numpy(latents).to(device)).cpu().numpy()
        images[start : start + count] = np.rint(rescale(pairs[:, 0], 0, 255))
        labels[start : start + count] = pairs[:, 1] > label_threshold
    return images, labels
