"""What all statements about eps and delta share: how an eps is written, and which numbers promise nothing.

Also the few limits that both the library and a release's own check keep to.
"""

UNITS = ("patch", "patient")  # what the noise can hide one of: `privacy.unit`
MOST_PAIRS = 100_000  # in an export or release, because the names of their files have five digits

# The eps from which on a statement says 'vacuous': whoever gives even odds to what was in the training set
# may be more than 99.99 % sure afterwards (e^10 = 22,000 to 1).
VACUOUS = 10.0
# Of a patient in a release. Outcomes of that probability may tell everything about any one patient, so over
# 1,000 patients they come to 1 in 100; below 1 / (10 x patients) alone they would come to 1 in 10 for any
# cohort.
MOST_PATIENT_DELTA = 1e-5
# Far below any use; the accountant's rounding (losses.ROUNDING a step) comes near it at 500,000 steps.
SMALLEST_DELTA = 1e-10
# Patients of a vote (docs/vote.md): below the first none is held, below the second a warning says so.
FEWEST_VOTERS, FEW_VOTERS = 5, 8
# Of which a mean over patients has a bootstrap interval: fewer would give one of hardly any resamples.
LEAST_PATIENTS = 3


def readable(epsilon: float | None) -> str:
    """Return an eps with three digits, or as a whole number from 100 on; None: no finite eps.

    >>> readable(7.669), readable(5785.2), readable(None)
    ('7.67', '5,785', 'not finite')
    """
    if epsilon is None:
        return "not finite"
    return f"{epsilon:,.0f}" if epsilon >= 100 else f"{epsilon:.3g}"
