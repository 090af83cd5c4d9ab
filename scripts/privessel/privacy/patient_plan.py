"""What it takes to protect whole patients, by their number; made before any training."""

import math
from collections.abc import Iterable, Sequence

from privessel.privacy.calibration import affordable_steps, calibrate
from privessel.privacy.planner import PlannedMechanism


def plan_cohorts(
    mechanism: PlannedMechanism,
    *,
    times: Iterable[int],
    patient_delta: float,
    mean_noise: float,
    epsilons: Sequence[float],
) -> list[dict[str, object]]:
    """Return the rows of `plan_patients` for as many `times` the training patients, all taking every step.

    The delta is `patient_delta`, or 1 / (10 patients) where that is less, because more patients ask for a
    smaller one.
    """
    rows = []
    for factor in times:
        patients = mechanism.patients * factor
        rows += plan_patients(
            patients=patients, participation=1.0, steps=mechanism.steps, mean_noise=mean_noise,
            delta=min(patient_delta, 1 / (10 * patients)), epsilons=epsilons,
        )  # fmt: skip
    return rows


def plan_patients(
    *,
    patients: int,
    participation: float,
    steps: int,
    mean_noise: float,
    delta: float,
    epsilons: Sequence[float],
) -> list[dict[str, object]]:
    """Return one row for each eps in `epsilons`: what it takes to reach it where the unit is the patient.

    Every step samples each of `patients` with probability `participation`, clips one gradient a patient to C,
    and adds noise to the sum. A row holds
    - `noise_multiplier`: the least for `steps` steps;
    - `noise_on_mean`: the standard deviation of the noise that this leaves on the mean gradient, in units of
      C, which is noise_multiplier / (participation x patients);
    - `affordable_steps`: how many steps are possible if the noise on the mean gradient is `mean_noise`. (1/32
      is that of a batch of 32 patches at noise multiplier 1.)
    """
    if patients < 1:
        raise ValueError(f"there is 1 patient or more, not {patients}")
    if not 0 < mean_noise < math.inf:
        raise ValueError(f"the noise on the mean is positive and finite, not {mean_noise}")
    rows = []
    for target in epsilons:
        sampled = {"sampling_rate": participation, "delta": delta}
        noise = calibrate(target_epsilon=target, steps=steps, **sampled)
        affordable = affordable_steps(
            target_epsilon=target, noise_multiplier=mean_noise * participation * patients, **sampled
        )
        rows.append(
            {
                "patients": patients,
                "participation": participation,
                "delta": delta,
                "epsilon": target,
                "steps": steps,
                "noise_multiplier": noise,
                "noise_on_mean": noise / (participation * patients),
                "mean_noise": mean_noise,
                "affordable_steps": affordable,
            }
        )
    return rows
