"""The private choice: the exponential mechanism over whole numbers, drawn without any rounding.

Candidate k is drawn with a probability proportional to exp(eps u_k), where u_k is the sum of its ranks over
the patients (`vote/ranks.py`). An empty patient has rank 0 everywhere. One patient in the place of an empty
one moves every u_k by something between 0 and 1, and all of them in the same direction. So the draw has the
pure eps `eps` for a whole patient who is replaced by an empty one (McSherry and Talwar 2007; the factor 1/2
of the general mechanism is not needed, because no u_k rises where another falls). A patient in the place of
another patient is two such steps: 2 eps. The proof is in docs/mechanism.md.

Probabilities that are computed in floating point can differ between neighbours by more than e^eps, or be 0
for one of them alone. So nothing is computed in floating point here: eps and the u_k are fractions, and the
draw is by rejection with coins of probability exp(-x) that are made of fair bits alone.
"""

import itertools
from collections.abc import Sequence
from decimal import Decimal, localcontext
from fractions import Fraction

from privessel.privacy.keys import Stream

WORD = 53  # random bits that a number of `Stream.uniform` has
CHUNK = 256  # numbers drawn at a time
DIGITS = 60  # of the exact probabilities


class Bits:
    """Random whole numbers from a stream's bits; the same stream and purpose give the same numbers."""

    def __init__(self, stream: Stream, purpose: str) -> None:
        self._stream, self._purpose = stream, purpose
        self._step, self._pool, self._left = 0, 0, 0

    def below(self, end: int) -> int:
        """Return a whole number from 0 to `end` - 1, each equally likely; by rejection, so exactly."""
        length = (end - 1).bit_length()
        while (number := self._take(length)) >= end:
            pass
        return number

    def _take(self, length: int) -> int:
        while self._left < length:
            # The numbers are multiples of 2^-53, so that each is 53 fair bits; the product is exact.
            for number in self._stream.uniform(self._purpose, self._step, CHUNK):
                self._pool = (self._pool << WORD) | int(number * 2.0**WORD)
            self._left += CHUNK * WORD
            self._step += 1
        self._left -= length
        taken, self._pool = self._pool >> self._left, self._pool & ((1 << self._left) - 1)
        return taken


def toss(chance: Fraction, bits: Bits) -> bool:
    """Return True with probability `chance`, a fraction from 0 to 1."""
    return bits.below(chance.denominator) < chance.numerator


def toss_exponential(x: Fraction, bits: Bits) -> bool:
    """Return True with probability exp(-x), for a fraction x >= 0.

    Source: Canonne, Kamath and Steinke 2020, 'The Discrete Gaussian for Differential Privacy', algorithm 1.
    """
    whole = int(x)
    if whole:
        return all(_toss_small(Fraction(1), bits) for _ in range(whole)) and _toss_small(x - whole, bits)
    return _toss_small(x, bits)


def _toss_small(x: Fraction, bits: Bits) -> bool:
    """Return True with probability exp(-x), for x in [0, 1]: the parity of a row of coins x/1, x/2, x/3."""
    k = 1
    while toss(x / k, bits):
        k += 1
    return k % 2 == 1


def draw(utilities: Sequence[Fraction], *, epsilon: Fraction, bits: Bits) -> int:
    """Return the number, from 0, of a candidate drawn with a probability proportional to exp(eps u)."""
    best = max(utilities)
    while True:
        number = bits.below(len(utilities))
        if toss_exponential(epsilon * (best - utilities[number]), bits):
            return number


def probabilities(utilities: Sequence[Fraction], *, epsilon: Fraction) -> list[Decimal]:
    """Return the probability of each candidate, with 60 digits; it looks at patients and stays inside."""
    with localcontext() as context:
        context.prec = DIGITS
        best = max(utilities)
        weights = []
        for utility in utilities:
            x = epsilon * (utility - best)
            weights.append((Decimal(x.numerator) / Decimal(x.denominator)).exp())
        total = sum(weights)
        return [weight / total for weight in weights]


def expect(
    values: Sequence[float], utilities: Sequence[Fraction], *, epsilon: Fraction, share: float = 0.05
) -> tuple[float, float]:
    """Return the mean of `values`, one a candidate, over all draws, and the quantile that `share` fall below.

    The quantile is the least value that is not exceeded with a probability of at least `share`.
    """
    chances = probabilities(utilities, epsilon=epsilon)
    mean = sum(chance * Decimal(value) for chance, value in zip(chances, values, strict=True))
    ranked = sorted(zip(values, chances, strict=True))
    reached = itertools.accumulate(chance for _, chance in ranked)
    enough = (
        value for (value, _), sofar in zip(ranked, reached, strict=True) if sofar >= Decimal(str(share))
    )
    return float(mean), next(enough, ranked[-1][0])
