"""What a model promises to a whole patient, who may have given many patches."""

import math
from functools import lru_cache

import numpy as np
from dp_accounting.pld import privacy_loss_distribution
from dp_accounting.pld.privacy_loss_distribution import PrivacyLossDistribution
from scipy import stats

from privessel.privacy.accounting import Charge, check_delta, epsilon
from privessel.privacy.losses import self_composed, tight_epsilon

# A patient's eps from which on the report says 'vacuous': an attacker who gives the patient even odds of
# being in the training set may be more than 99.99 % sure afterwards (e^10 = 22,000 to 1).
VACUOUS = 10.0
RELATIVE_ERROR = 1e-2


def patient_epsilon(
    *,
    noise_multiplier: float | None,
    sampling_rate: float,
    steps: int,
    patches_per_patient: int,
    delta: float,
) -> float:
    """Return the valid eps of one patient whose patches are sampled and clipped one by one.

    The number of the patient's patches in a step is Binomial, and in the worst case their clipped gradients
    are equal: a mixture of Gaussians with sensitivities 0 .. `patches_per_patient` (Ganesh 2024, 'Tight
    group-level DP guarantees for DP-SGD with sampling via mixture of Gaussians mechanisms'). `delta` is the
    patient's, not the patch's. An upper bound: by about 1 % at most, or by convexity where the mixture cannot
    be computed, which is where it is vacuous anyhow. One patch a patient gives `accounting.epsilon`.
    """
    charge = Charge(noise_multiplier, sampling_rate, steps)
    if patches_per_patient < 1:
        raise ValueError(f"a patient gives 1 patch or more, not {patches_per_patient}")
    if not charge.steps or not charge.protected:
        return math.inf if charge.steps else 0.0
    if patches_per_patient == 1 or sampling_rate == 1:
        return epsilon(
            noise_multiplier=noise_multiplier / patches_per_patient,
            sampling_rate=sampling_rate,
            steps=steps,
            delta=delta,
        )
    return _mixture(
        float(noise_multiplier), float(sampling_rate), int(steps), int(patches_per_patient), delta
    )


def patient_statement(
    *,
    unit: str,
    noise_multiplier: float | None,
    sampling_rate: float,
    steps: int,
    patients: int,
    patches_per_patient: int,
    delta: float,
) -> dict[str, object]:
    """Say what a model promises to a whole patient: `epsilon` (None: no noise), `method`, `sentence`.

    `unit` is 'patch' or 'patient', what the mechanism samples and clips; `sampling_rate` is of that unit.
    `delta` is the patient's, checked against the number of `patients`.
    """
    if unit not in ("patch", "patient"):
        raise ValueError(f"the privacy unit is 'patch' or 'patient', not {unit!r}")
    check_delta(delta=delta, units=patients, release=False)
    charge = Charge(noise_multiplier, sampling_rate, steps)
    if not charge.protected:
        sentence = "Patient level: no protection. The model was trained without noise and must not leave."
        return {"epsilon": None, "method": "none", "sentence": sentence}
    given = {
        "noise_multiplier": noise_multiplier,
        "sampling_rate": sampling_rate,
        "steps": steps,
        "delta": delta,
    }
    if unit == "patient":
        spent, method = epsilon(**given), "exact"
        reason = "the patient is the privacy unit"
    else:
        spent, method = (
            patient_epsilon(**given, patches_per_patient=patches_per_patient),
            "mixture of Gaussians, or its bound by convexity",
        )
        reason = f"the privacy unit is one patch, and a patient gives {patches_per_patient:,}"
    sentence = f"Patient level: eps {_readable(spent)} at delta {delta:.3g} ({reason})."
    if spent > VACUOUS:
        sentence += " That is vacuous: it keeps nobody from being sure that a given patient took part."
    return {"epsilon": spent, "method": method, "sentence": sentence}


def _readable(spent: float) -> str:
    return f"{spent:,.0f}" if spent >= 100 else f"{spent:.3g}"


@lru_cache(maxsize=1024)
def _mixture(noise: float, rate: float, steps: int, patches: int, delta: float) -> float:
    counts = stats.binom(patches, rate)
    # A step in which more than `most` of a patient's patches meet has probability `rest`. Given that it never
    # happens, the mixture ends there; that it happens at all is paid for in delta (when the patient is in)
    # and, as a factor 1 - rest on every likelihood (when the patient is out), in eps.
    tails = counts.sf(np.arange(patches + 1))
    most = int(np.argmax(tails * steps <= 1e-9 * delta))
    rest = float(tails[most])
    probabilities = counts.pmf(np.arange(most + 1))
    probabilities /= probabilities.sum()

    def distribution(interval: float) -> PrivacyLossDistribution:
        one = privacy_loss_distribution.from_mixture_gaussian_mechanism(
            noise, list(range(most + 1)), list(probabilities), value_discretization_interval=interval
        )
        return self_composed(one, steps)

    spread = math.sqrt(
        float(np.sum(probabilities * np.expm1(np.minimum(np.arange(most + 1) ** 2 / noise**2, 20))))
    )
    kept = delta - steps * rest
    try:
        found = tight_epsilon(
            distribution, start=min(spread, 1.0), steps=steps, delta=kept, error=RELATIVE_ERROR
        )
    except ValueError:
        # dp-accounting loses the mixture's tail to rounding where dozens of a patient's patches meet in a
        # step. By convexity the mixture leaks no more than `most` patches in every step.
        found = epsilon(noise_multiplier=noise / most, sampling_rate=1.0, steps=steps, delta=kept)
    return found - steps * math.log1p(-rest)
