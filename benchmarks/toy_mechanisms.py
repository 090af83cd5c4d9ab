"""Training reduced to what an audit of it can see: noisy sums in the directions of the canaries.

Every unit's raw gradient has the same norm, and all are orthogonal: nothing hides a canary but sampling,
clipping and noise, so an audit is at its strongest here. A batch takes one Poisson sample of the units. The
mechanism that this project uses is `Toy` as it stands; the published one and planted bugs change a field.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from privessel.audit.plan import log_likelihood

CLIPPING = ("units", "mean")
VALUES = 1 << 21  # drawn at a time


@dataclass(frozen=True)
class Toy:
    """A mechanism on `others` units and the canaries that are in; clipping norm 1."""

    noise_multiplier: float
    sampling_rate: float
    batches: int
    others: int  # units beside the canaries
    raw_norm: float  # norm of every raw gradient, in clipping norms
    updates: int = 1  # noisy sums released of one sample (5 in the code of Kossen et al. 2022)
    divided_by: str = "expected"  # | drawn: number of units that makes a mean of a sum (the published code)
    noisy: bool = True  # False: the noise is forgotten
    clipped: str = "units"  # | mean: clipped once, after summing, with the noise of clipped units

    def __post_init__(self) -> None:
        if self.clipped not in CLIPPING or self.divided_by not in ("expected", "drawn"):
            raise ValueError(f"no such mechanism: clipped {self.clipped!r}, divided by {self.divided_by!r}")

    @property
    def expected(self) -> float:
        """Units expected in a sample, counting half of no canary: a public number."""
        return self.sampling_rate * self.others


def released(
    toy: Toy, inserted: NDArray[np.bool_], rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float64]]]:
    """Yield what batches release of the canaries' directions: means (b, updates, m) and divisors (b, 1, 1).

    The divisor is public: the expected batch, or the drawn one where the mechanism divides by it (and makes
    as many fakes).
    """
    members = np.flatnonzero(inserted)
    chunk = max(1, VALUES // (toy.updates * len(inserted)))
    for start in range(0, toy.batches, chunk):
        batches = min(chunk, toy.batches - start)
        sampled = rng.random((batches, len(members)), dtype=np.float32) < toy.sampling_rate
        drawn = sampled.sum(axis=1) + rng.binomial(toy.others, toy.sampling_rate, batches)
        length = np.full(batches, min(toy.raw_norm, 1.0))
        if toy.clipped == "mean":  # orthogonal gradients: the sum's norm grows with the root of their number
            total = toy.raw_norm * np.sqrt(np.maximum(drawn, 1))
            length = toy.raw_norm * np.minimum(1.0, toy.expected / total)
        sums = np.zeros((batches, toy.updates, len(inserted)), np.float32)
        if toy.noisy:
            rng.standard_normal(out=sums, dtype=np.float32)
            sums *= toy.noise_multiplier
        sums[:, :, members] += (sampled * length[:, None])[:, None, :]
        size = drawn if toy.divided_by == "drawn" else np.full(batches, toy.expected)
        divisor = np.maximum(size, 1)[:, None, None].astype(np.float64)
        yield sums / divisor.astype(np.float32), divisor


def likelihood_scores(toy: Toy, inserted: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float64]:
    """Run `toy` and return each canary's log-likelihood ratio (m,) of being in, by the claimed mechanism.

    No attack is stronger on the mechanism as claimed. All updates of a sample are taken together, since an
    observer knows that they share it.
    """
    scores = np.zeros(len(inserted))
    precision = np.float32(toy.updates / toy.noise_multiplier**2)
    for means, divisor in released(toy, inserted, rng):
        sums = (means * divisor.astype(np.float32)).mean(axis=1)
        scores += log_likelihood(precision * sums, precision, sampling_rate=toy.sampling_rate).sum(axis=0)
    return scores
