"""Tables of what privacy will cost, made before any training: by level, and by number of patients."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from privessel.privacy.accounting import (
    affordable_steps,
    calibrate,
    epsilon,
    epsilon_published,
    epsilon_rdp,
    epsilon_reused,
)
from privessel.privacy.patient import patient_statement
from privessel.study.names import Level


def noise_of(level: Level, *, sampling_rate: float, steps: int, delta: float) -> float | None:
    """Return a level's noise multiplier: None for inf, x for noise-x, and for eps-x a calibrated one.

    At the level noise-0.65 it is 0.65; at eps-5 it is the least noise whose valid eps at `delta` is at most 5
    after `steps` critic steps.
    """
    if not level.private:
        return None
    if level.kind == "noise":
        return level.value
    return calibrate(target_epsilon=level.value, sampling_rate=sampling_rate, steps=steps, delta=delta)


@dataclass(frozen=True)
class PlannedMechanism:
    """What every private level of a study will do, its noise apart."""

    sampling_rate: float  # of patches or patients, as `unit` says, at each critic step
    steps: int  # critic steps of a whole run, each on a fresh Poisson sample
    critic_steps: int  # of a generator step
    delta: float  # of one unit
    unit: str  # patch | patient
    patients: int
    patches_per_patient: int


def plan_levels(
    levels: Iterable[str], mechanism: PlannedMechanism, *, patient_delta: float
) -> list[dict[str, object]]:
    """Return one row for each level: its mechanism, eps in four ways, and its promise to a whole patient.

    `epsilon` (by privacy loss distributions) and `epsilon_rdp` (by Renyi divergences) are valid for one unit
    at the mechanism's delta. `epsilon_as_published` is what the code of Kossen et al. would have printed, and
    `epsilon_of_published` what its mechanism guarantees, which takes `critic_steps` on one sample. All four
    are None where there is no noise. Raises ValueError for a text that names no level.
    """
    planned = {"sampling_rate": mechanism.sampling_rate, "steps": mechanism.steps}
    delta, unit = mechanism.delta, mechanism.unit
    rows = []
    for name in levels:
        noise = noise_of(Level.parse(name), **planned, delta=delta)
        run = {"noise_multiplier": noise, **planned}
        patient = patient_statement(
            unit=unit,
            **run,
            patients=mechanism.patients,
            patches_per_patient=mechanism.patches_per_patient,
            delta=patient_delta,
        )
        private = noise is not None
        reused = private and epsilon_reused(**run, critic_steps=mechanism.critic_steps, delta=delta)
        rows.append(
            {
                "level": name,
                **run,
                "unit": unit,
                "delta": delta,
                "epsilon": epsilon(**run, delta=delta) if private else None,
                "epsilon_rdp": epsilon_rdp(**run, delta=delta) if private else None,
                "epsilon_as_published": epsilon_published(**run, delta=delta) if private else None,
                "epsilon_of_published": reused if private else None,
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
