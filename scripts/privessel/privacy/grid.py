"""The grid that sums and noise lie on, so that finite precision takes nothing away from the noise.

A sum in floating point plus noise in floating point leaves gaps: some results can come from one sum and not
from another, and whoever sees such a result knows for certain which it was (Mironov 2012, "On significance of
the least significant bits for differential privacy"). Here the clipped sum and the noise are both rounded to
multiples of one spacing D and added as whole numbers. Rounding commutes with a shift by multiples of D:

    round(s + z) = s + round(z)    for s on the grid,

so the result is what rounding makes of s + z with exact Gaussian noise z: post-processing, which costs
nothing. Its price is that rounding the sum can move two neighbours' sums apart, in each of d numbers by less
than D. The noise is made wider by as much as that (docs/mechanism.md, rule 9).
"""

import math

# A unit's gradient is computed in float32. Calls of the critic are filled up to the same number of units, so
# that its rounding is the same whatever the others are: where measured, to 1e-12 of the clipping norm. This
# allows for kernels that behave otherwise.
COMPANY = 2.0**-16


def spacing(clipping_norm: float, *, grid_bits: int) -> float:
    """Return the grid's spacing D = C / 2^grid_bits."""
    return math.ldexp(clipping_norm, -grid_bits)


def sensitivity(*, grid_bits: int, numbers: int) -> float:
    """Return by how much one unit can move a rounded sum of `numbers` numbers, in units of the clipping norm.

    That is 1 + sqrt(numbers) 2^-grid_bits: the clipped gradient itself, and less than one spacing for each
    number that the rounding may turn the other way; and `COMPANY`.
    """
    return 1 + math.sqrt(numbers) * 2.0**-grid_bits + COMPANY
