"""Faults planted into the real code of a private step, for the audits to find.

They wrap the code from outside: the product has no option for any of them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch

import numpy as np
from torch import Tensor

from privessel.privacy import mechanism
from privessel.privacy.clipping import BookKeeping, Bound, Sums
from privessel.privacy.keys import Stream
from privessel.privacy.mechanism import poisson_sample


class QuietStream(Stream):
    """Draws `factor` of the noise that a step asks for, and none for the critic's first `silent` weights."""

    def __init__(self, key: bytes, *, factor: float = 1.0, silent: int = 0) -> None:
        super().__init__(key)
        self.factor, self.silent = factor, silent

    def whole_normal(self, purpose: str, step: int, n: int, *, scale: float) -> np.ndarray:
        """Draw a step's noise as `Stream.whole_normal` does, and less of it."""
        drawn = np.rint(self.factor * super().whole_normal(purpose, step, n, scale=scale))
        drawn[: self.silent] = 0
        return drawn


@contextmanager
def clipped_to(factor: float) -> Iterator[None]:
    """Let gradients keep a norm of up to `factor` times the clipping norm."""
    sums = BookKeeping.sums

    def loose(self: BookKeeping, pairs: Tensor, signs: Tensor, bound: Bound, *, padded: int = 0) -> Sums:
        wider = replace(bound, clipping_norm=factor * bound.clipping_norm)
        return sums(self, pairs, signs, wider, padded=padded)

    with patch.object(BookKeeping, "sums", loose):
        yield


@contextmanager
def sampled_by(change: Callable[[int, float], tuple[int, float]]) -> Iterator[None]:
    """Let steps sample as `change` of their number and rate says: another step's sample, or another rate."""

    def sampled(stream: Stream, *, step: int, population: int, rate: float) -> np.ndarray:
        step, rate = change(step, rate)
        return poisson_sample(stream, step=step, population=population, rate=rate)

    with patch.object(mechanism, "poisson_sample", sampled):
        yield
