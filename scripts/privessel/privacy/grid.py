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

# The critic computes a unit's gradient in float32, and kernels may add it up in another order when other
# units are in the same call. This share of its size is allowed for each unit; half of it was measured.
COMPANY = 2.0**-23


def spacing(clipping_norm: float, *, grid_bits: int) -> float:
    """Return the grid's spacing D = C / 2^grid_bits."""
    return math.ldexp(clipping_norm, -grid_bits)


def sensitivity(*, grid_bits: int, numbers: int, batch: int, centre: float = 0.0) -> float:
    """Return by how much one unit can move a rounded sum of `numbers` numbers, in units of the clipping norm.

    That is 1 + sqrt(numbers) 2^-grid_bits: the clipped gradient itself, and less than one spacing for each
    number that the rounding may turn the other way. In addition, the unit's presence may change how the other
    units of a sample (`batch` are expected) are rounded: by `COMPANY` of a clipped gradient each. Where
    gradients are clipped around a centre, of length `centre` in units of the clipping norm, the size that
    counts is that before the centre was subtracted. The centre is public, so this may depend on it.
    """
    return 1 + math.sqrt(numbers) * 2.0**-grid_bits + COMPANY * batch * (1 + centre)
