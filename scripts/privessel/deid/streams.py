"""Random streams of torch that depend on a seed, a purpose and an index, so that any step can be replayed."""

import numpy as np
import torch

# What a random stream is for. The last one belongs to heads that a trained GAN makes.
START, BATCH, NOISE, SYNTHESIS = range(4)


def stream(seed: int, purpose: int, index: int, *, device: torch.device) -> torch.Generator:
    """Return torch's generator of one random stream."""
    state = np.random.SeedSequence([seed, purpose, index]).generate_state(1, np.uint64)
    return torch.Generator(device).manual_seed(int(state[0]))
