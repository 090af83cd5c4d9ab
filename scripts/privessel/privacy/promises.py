"""What private training promises, in the order in which every report says it: whole patient, region, patch.

A region is a place on a vessel: the patches of one patient that all show it (`cohort.regions`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from privessel.limits import UNITS, VACUOUS, readable
from privessel.privacy.accounting import (
    Charge,
    check_delta,
    composed_epsilon,
    loss_above_epsilon,
    merged,
    pure_sum,
)
from privessel.privacy.levels import inside_epsilon
from privessel.privacy.patient import group_epsilon, group_loss_above_epsilon

_MIXTURE = "mixture of Gaussians, or its bound by convexity"
_COVERED = "covered by the whole patient"


@dataclass(frozen=True)
class Sizes:
    """The public numbers of a training cohort; `region_patches` None: not bounded, no patches are cut yet."""

    patients: int
    patches_per_patient: int
    region_patches: int | None


def state_promises(
    charges: Sequence[Charge], *, unit: str, sizes: Sizes, delta: float, patient_delta: float
) -> dict[str, dict[str, object]]:
    """Return the promises of all `charges` together to a whole `patient`, a `region` and a `patch`.

    `unit` is 'patch' or 'patient', what the mechanism samples and clips; the sampling rates are of that unit.
    `delta` is that of a patch and of a region, `patient_delta` that of a patient, checked against their
    number. Each promise has `delta`, `epsilon` (None: no noise, or not known yet), `loss_above_epsilon`
    (P[privacy loss > eps]; None: not known), `method` and `sentence`; the region's also has `patches`.
    """
    if unit not in UNITS:
        raise ValueError(f"the privacy unit is 'patch' or 'patient', not {unit!r}")
    check_delta(delta=patient_delta, units=sizes.patients, release=False)
    if not all(charge.protected for charge in charges):
        promised = {
            name: _promise(
                f"{name.capitalize()} level: no protection. The model was trained without noise and must not "
                "leave.",
                method="none",
            )
            for name in ("patient", "region", "patch")
        }
        promised["region"]["patches"] = sizes.region_patches
        return promised
    pure = pure_sum(merged(charges)) if charges else None
    if pure is not None:
        return _pure(pure, sizes)
    if unit == "patient":
        patient = _whole_patient(charges, delta=patient_delta)
        return {
            "patient": patient,
            "region": _inside("region", charges, delta=patient_delta) | {"patches": sizes.region_patches},
            "patch": _inside("patch", charges, delta=patient_delta),
        }
    return {
        "patient": _patient_of_patches(charges, sizes=sizes, delta=patient_delta),
        "region": _region(charges, patches=sizes.region_patches, delta=delta),
        "patch": _patch(charges, delta=delta),
    }


def _whole_patient(charges: Sequence[Charge], *, delta: float) -> dict[str, object]:
    spent, above = composed_epsilon(charges, delta=delta), loss_above_epsilon(charges, delta=delta)
    told = f"Patient level: eps {readable(spent)} at delta {delta:.3g} (the patient is the privacy unit; "
    told += f"{_tail(above, delta)})."
    return _promise(told + _warning(spent, "a given patient"), spent, above, delta=delta, method="exact")


def _pure(spent: float, sizes: Sizes) -> dict[str, dict[str, object]]:
    """Return the promises of mechanisms of a pure eps, which have whole patients as their unit.

    What is changed inside of a patient counts as that patient replaced by an empty one, and that by another.
    """
    given = {"delta": 0.0, "above": 0.0}
    told = f"Patient level: eps {readable(spent)}, and delta 0 (pure: the patient is the privacy unit)."
    patient = _promise(told + _warning(spent, "a given patient"), spent, **given, method="exact")
    within = {
        name: _promise(
            f"{name.capitalize()} level: covered by the whole patient, so at most eps {readable(2 * spent)}, "
            f"and delta 0 (a {name} that changes counts as one patient replaced by an empty one, and back).",
            2 * spent,
            **given,
            method=_COVERED,
        )
        for name in ("region", "patch")
    }
    return {"patient": patient, **within} | {"region": within["region"] | {"patches": sizes.region_patches}}


def _patient_of_patches(charges: Sequence[Charge], *, sizes: Sizes, delta: float) -> dict[str, object]:
    given = {"patches": sizes.patches_per_patient, "delta": delta}
    spent = group_epsilon(charges, **given)
    told = (
        f"Patient level: eps {readable(spent)} at delta {delta:.3g} (the privacy unit is one patch, and a "
        f"patient gives {sizes.patches_per_patient:,})."
    )
    above = group_loss_above_epsilon(charges, **given)
    return _promise(told + _warning(spent, "a given patient"), spent, above, delta=delta, method=_MIXTURE)


def _region(charges: Sequence[Charge], *, patches: int | None, delta: float) -> dict[str, object]:
    if patches is None:
        told = (
            "Region level: not known before the patches are cut, because patches.max_overlap sets no bound; "
            "at most the eps of the whole patient."
        )
        return _promise(told, delta=delta, method="not known") | {"patches": None}
    given = {"patches": patches, "delta": delta}
    spent, above = group_epsilon(charges, **given), group_loss_above_epsilon(charges, **given)
    tail = "" if above is None else f"; {_tail(above, delta)}"
    told = (
        f"Region level: eps {readable(spent)} at delta {delta:.3g} (one place on a vessel lies in up to "
        f"{patches:,} {'patch' if patches == 1 else 'patches'} of a patient{tail})."
    )
    told += _warning(spent, "a given place of a patient")
    return _promise(told, spent, above, delta=delta, method=_MIXTURE) | {"patches": patches}


def _patch(charges: Sequence[Charge], *, delta: float) -> dict[str, object]:
    spent, above = composed_epsilon(charges, delta=delta), loss_above_epsilon(charges, delta=delta)
    told = f"Patch level: eps {readable(spent)} at delta {delta:.3g} ({_tail(above, delta)})."
    return _promise(told + _warning(spent, "a given patch"), spent, above, delta=delta, method="exact")


def _inside(name: str, charges: Sequence[Charge], *, delta: float) -> dict[str, object]:
    spent, above = inside_epsilon(charges, delta=delta)
    told = (
        f"{name.capitalize()} level: {_COVERED}; at most eps {readable(spent)} at delta {delta:.3g} where it "
        "changes inside of a patient who stays."
    )
    return _promise(told, spent, above, delta=delta, method=_COVERED)


def _promise(
    sentence: str,
    spent: float | None = None,
    above: float | None = None,
    *,
    delta: float | None = None,
    method: str,
) -> dict[str, object]:
    return {
        "delta": delta,
        "epsilon": spent,
        "loss_above_epsilon": above,
        "method": method,
        "sentence": sentence,
    }


def _tail(above: float, delta: float) -> str:
    return f"P[privacy loss > eps] is {above:.2g}, {above / delta:.1f} times delta"


def _warning(spent: float, what: str) -> str:
    if spent <= VACUOUS:
        return ""
    return f" That is vacuous: it keeps nobody from being sure that {what} took part."
