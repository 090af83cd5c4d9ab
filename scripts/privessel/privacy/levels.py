"""The eps of a whole patient, a region or a patch, whatever the unit is that the mechanism hides.

Where patches are the unit, a region and a patient are groups of them (`patient.group_epsilon`). Where whole
patients are the unit, a region or a patch changes *inside* of a patient who stays, and what the patient
contributes may then move twice as far as when the patient comes or goes. Two bounds on that hold
(docs/mechanism.md), and the smaller is taken.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from privessel.limits import SMALLEST_DELTA
from privessel.privacy.accounting import Charge, composed_epsilon, loss_above_epsilon, merged, pure_sum
from privessel.privacy.patient import group_epsilon, group_loss_above_epsilon

STEP = 1.002  # by which the search for the group's eps climbs


def level_epsilon(
    charges: Sequence[Charge], *, unit: str, level: str, patches: Sequence[int], delta: float
) -> tuple[float, float | None]:
    """Return eps of one patient, region or patch (`level`), and P[privacy loss > eps], None if not known.

    `unit` is what the charges sample and clip, `patches` how many of the level's patches are in each of them.
    """
    if unit == "patient" and level != "patient":
        return inside_epsilon(charges, delta=delta)
    charges = count_votes(charges, level=level)
    if unit == "patient" or level == "patch":
        return composed_epsilon(charges, delta=delta), loss_above_epsilon(charges, delta=delta)
    given = {"patches": patches, "delta": delta}
    return group_epsilon(charges, **given), group_loss_above_epsilon(charges, **given)


def count_votes(charges: Iterable[Charge], *, level: str) -> list[Charge]:
    """Return charges as they count at a level: a vote hides whole patients, also beside runs on patches."""
    if level == "patient":
        return list(charges)
    return [inside(charge) if charge.pure_epsilon else charge for charge in charges]


def inside(charge: Charge) -> Charge:
    """Return what a run that hides whole patients costs something inside of a patient who stays.

    The patient's clipped gradient may turn from one direction to the opposite: twice the clipping norm, so
    half the noise multiplier. Sampling is not counted in favour: its amplification is proved for a patient
    who comes or goes, not for one who changes. A pure eps counts twice: one patient goes, another comes.
    """
    if charge.pure_epsilon:
        return replace(charge, pure_epsilon=2 * charge.pure_epsilon)
    return Charge(charge.noise_multiplier and charge.noise_multiplier / 2, 1.0, charge.steps)


def inside_epsilon(charges: Sequence[Charge], *, delta: float) -> tuple[float, float | None]:
    """Return eps of whatever changes inside of a patient who stays, and P[privacy loss > eps] where known.

    The smaller of two bounds: each run as `inside` has it; and the patient replaced by an empty one and that
    by another, which is (2 e, (1 + exp(e)) d) for charges that are (e, d).
    """
    turned = [inside(charge) for charge in charges]
    taken = merged(turned)
    if taken is not None and pure_sum(taken) is not None:
        return pure_sum(taken), 0.0
    return min(composed_epsilon(turned, delta=delta), 2 * _half_of_group(charges, delta)), None


def _half_of_group(charges: Sequence[Charge], delta: float) -> float:
    """Return about the least e so that the charges are (e, delta / (1 + exp(e))); infinite where none is."""
    found = 0.0
    while (share := delta / (1 + math.exp(found))) >= SMALLEST_DELTA:
        spent = composed_epsilon(charges, delta=share)
        if spent <= found or math.isinf(spent):
            return max(spent, found)
        found = min(STEP * spent, 700.0)  # beyond, the share of delta is far too small
    return math.inf
