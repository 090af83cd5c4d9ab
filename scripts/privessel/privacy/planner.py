"""What privacy will cost, before any of it is spent: a table per level, and one per number of patients."""

import math
from collections.abc import Iterable, Sequence

from privessel.privacy.accounting import (
    affordable_steps,
    calibrate,
    epsilon,
    epsilon_published,
    epsilon_rdp,
    epsilon_reused,
)
from privessel.privacy.patient import patient_statement


def noise_of(level: str, *, sampling_rate: float, steps: int, delta: float) -> float | None:
    """Return a level's noise multiplier by its name: None for 'inf', x for 'noise-x', calibrated for 'eps-x'.

    noise_of("noise-0.65", ...) is 0.65; noise_of("eps-5", ...) is the least noise whose valid eps at `delta`
    is at most 5 after `steps` critic steps. Raises ValueError for other names.
    """
    kind, _, value = level.partition("-")
    try:
        if level == "inf":
            return None
        if kind == "noise" and 0 < float(value) < math.inf:
            return float(value)
        if kind == "eps" and float(value) > 0:
            return calibrate(
                target_epsilon=float(value), sampling_rate=sampling_rate, steps=steps, delta=delta
            )
    except ValueError as error:
        raise ValueError(f"level {level!r}: {error}") from error
    raise ValueError(f"level {level!r}: a level is 'inf', 'noise-x' or 'eps-x' with x above 0")


def plan_levels(
    levels: Iterable[str],
    *,
    sampling_rate: float,
    steps: int,
    critic_steps: int,
    delta: float,
    unit: str,
    patients: int,
    patches_per_patient: int,
    patient_delta: float,
) -> list[dict[str, object]]:
    """Return a row per level: its mechanism, eps three ways, and what it promises to a whole patient.

    `steps` counts critic steps, each on a fresh Poisson sample of rate `sampling_rate`, of patches or
    patients by `unit`. `epsilon` (PLD) and `epsilon_rdp` are valid, for the unit at `delta`;
    `epsilon_as_published` is what the code of Kossen et al. would have printed, and `epsilon_of_published`
    what its mechanism (`critic_steps` on one sample) guarantees. Both are None where there is no noise.
    """
    rows = []
    for level in levels:
        noise = noise_of(level, sampling_rate=sampling_rate, steps=steps, delta=delta)
        run = {"noise_multiplier": noise, "sampling_rate": sampling_rate, "steps": steps}
        patient = patient_statement(
            unit=unit, **run, patients=patients, patches_per_patient=patches_per_patient, delta=patient_delta
        )
        private = noise is not None
        rows.append(
            {
                "level": level,
                **run,
                "unit": unit,
                "delta": delta,
                "epsilon": epsilon(**run, delta=delta) if private else None,
                "epsilon_rdp": epsilon_rdp(**run, delta=delta) if private else None,
                "epsilon_as_published": epsilon_published(**run, delta=delta) if private else None,
                "epsilon_of_published": epsilon_reused(**run, critic_steps=critic_steps, delta=delta)
                if private
                else None,
                "patient_delta": patient_delta,
                "patient_epsilon": patient["epsilon"],
                "patient_statement": patient["sentence"],
            }
        )
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
    """Return, per patient-level eps, what it costs when the privacy unit is the patient.

    Every step samples each of `patients` with probability `participation`, clips one gradient a patient to C,
    and adds noise to the sum. A row holds the least `noise_multiplier` for `steps` steps, the standard
    deviation `noise_on_mean` (in C) that it leaves on the mean gradient, noise_multiplier / (participation x
    patients), and the number of `affordable_steps` at the fixed `mean_noise` (1/32 is that of a batch of 32
    patches at noise multiplier 1).
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
