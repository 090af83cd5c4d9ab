"""A private step that tests can compute by hand: a critic whose gradient is its input, and its mechanism."""

import torch
from torch import nn

from privessel.privacy.mechanism import Mechanism


class Linear(nn.Module):
    """A critic whose gradient at a pair is the pair itself."""

    def __init__(self, size):
        super().__init__()
        self.layer = nn.Linear(size, 1, bias=False)

    def forward(self, pairs):
        return self.layer(pairs).flatten()


def mechanism(**changes):
    given = {
        "noise_multiplier": 1.0, "clipping_norm": 1.0, "batch": 4, "patches_per_unit": 1,
        "generator_batch": 4, "fake_clipping": "per-sample", "micro_batch": 99, "grid_bits": 20,
    }  # fmt: skip
    return Mechanism(**{**given, **changes})


def drawn(*size, seed=0):
    """Normal numbers that are the same in every run."""
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))
