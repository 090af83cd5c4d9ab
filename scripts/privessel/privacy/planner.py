"""Tables of what privacy will cost, made before any training: by level, and by number of patients."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from privessel.privacy.accounting import Charge, epsilon
from privessel.privacy.calibration import calibrate
from privessel.privacy.levels import count_votes
from privessel.privacy.patient import group_epsilon
from privessel.privacy.promises import Sizes, state_promises
from privessel.privacy.published import epsilon_published, epsilon_reused
from privessel.privacy.renyi import adaptive_epsilon, epsilon_rdp
from privessel.study.names import Level

log = logging.getLogger(__name__)


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


BUDGET_COLUMNS = ["level", "runs", "unit", "delta", "needed_epsilon", "allowed_epsilon"]
REGION_COLUMNS = ["level", "noise_multiplier", "max_overlap", "delta", "region_epsilon"]


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
    max_overlap: int | None  # most patches of a patient over one voxel; None: not bounded
    release_delta: float  # of one unit, at which a release states its eps

    @property
    def sizes(self) -> Sizes:
        """The public numbers of the training cohort; the patches of a region only where they are bounded."""
        return Sizes(self.patients, self.patches_per_patient, self.max_overlap)


def plan_levels(
    levels: Iterable[str], mechanism: PlannedMechanism, *, patient_delta: float
) -> list[dict[str, object]]:
    """Return one row for each level: its mechanism, and its promises to a patient, a region and a patch.

    `patient_epsilon`, `region_epsilon` and `epsilon` (of one unit) are valid, by privacy loss distributions,
    each with its delta; the region's is None where the overlap of patches is not bounded.
    `loss_above_epsilon` is P[privacy loss > eps] of one unit, and `release_epsilon` its eps at the delta of a
    release: a level such as eps-5 keeps its 5 at the study's delta only. `epsilon_rdp` (by Renyi divergences)
    is valid too. `epsilon_as_published` is what the code of Kossen et al. would have printed, and
    `epsilon_of_published` what its mechanism guarantees, which takes `critic_steps` on one sample. All are
    None where there is no noise. Raises ValueError for a text that names no level.
    """
    planned = {"sampling_rate": mechanism.sampling_rate, "steps": mechanism.steps}
    delta, unit = mechanism.delta, mechanism.unit
    rows = []
    for name in levels:
        noise = noise_of(Level.parse(name), **planned, delta=delta)
        run = {"noise_multiplier": noise, **planned}
        promised = state_promises(
            [Charge(**run)], unit=unit, sizes=mechanism.sizes, delta=delta, patient_delta=patient_delta
        )
        patient, region, one = promised["patient"], promised["region"], promised[unit]
        private = noise is not None
        reused = private and epsilon_reused(**run, critic_steps=mechanism.critic_steps, delta=delta)
        rows.append(
            {
                "level": name,
                **run,
                "unit": unit,
                "patient_delta": patient_delta,
                "patient_epsilon": patient["epsilon"],
                "region_patches": region["patches"],
                "region_epsilon": region["epsilon"],
                "delta": delta,
                "epsilon": one["epsilon"],
                "loss_above_epsilon": one["loss_above_epsilon"],
                "release_delta": mechanism.release_delta,
                "release_epsilon": epsilon(**run, delta=mechanism.release_delta) if private else None,
                "epsilon_rdp": epsilon_rdp(**run, delta=delta) if private else None,
                "epsilon_as_published": epsilon_published(**run, delta=delta) if private else None,
                "epsilon_of_published": reused if private else None,
                "patient_statement": patient["sentence"],
                "region_statement": region["sentence"],
                "patch_statement": promised["patch"]["sentence"],
            }
        )
    return rows


def plan_budget(
    runs: Mapping[str, int],
    mechanism: PlannedMechanism,
    *,
    budget: Mapping[str, float] | None,
    votes: Mapping[str, float],
    unets: Mapping[str, tuple[Charge, int]],
) -> list[dict[str, object]]:
    """Return what `privacy.budget` must allow: a row for one run of each private level, one for all runs.

    `unit` is whom each eps is of. runs: how many runs a level has. votes: the pure eps of a patient of each
    vote, by its name; beside runs that protect patches it counts twice (`levels.count_votes`). unets: a run
    of a private U-Net's level, and how many there are, by the level's name. budget: the `epsilon` and `delta`
    of the config; None, on public cohorts, gives no rows. `needed_epsilon` is larger than the eps of the
    plan, because a budget counts as if every run were chosen after a look at the ones before
    (`renyi.adaptive_epsilon`). Logs a warning where all runs together need more than is allowed.
    """
    if budget is None:
        return []
    planned = {"sampling_rate": mechanism.sampling_rate, "steps": mechanism.steps}
    charges = {}
    for name in runs:
        noise = noise_of(Level.parse(name), **planned, delta=mechanism.delta)
        if noise is not None:
            charges[name] = Charge(noise, **planned)
    charges |= {name: charge for name, (charge, _) in unets.items()}
    runs = {**runs, **{name: count for name, (_, count) in unets.items()}}
    unit = "patch" if charges and mechanism.unit == "patch" else "patient"
    drawn = {name: Charge(None, 1.0, 1, spent) for name, spent in votes.items()}
    charges |= dict(zip(drawn, count_votes(drawn.values(), level=unit), strict=True))
    every = [charge for name, charge in charges.items() for _ in range(runs.get(name, 1))]
    rows = [
        {
            "level": name,
            "runs": len(taken),
            "unit": unit,
            "delta": budget["delta"],
            "needed_epsilon": adaptive_epsilon(taken, delta=budget["delta"]),
            "allowed_epsilon": budget["epsilon"],
        }
        for name, taken in [*((name, [charge]) for name, charge in charges.items()), ("all", every)]
        if taken
    ]
    if rows and rows[-1]["needed_epsilon"] > budget["epsilon"]:
        log.warning(
            "privacy.budget.epsilon is %.4g, and the %d private runs of this study need %.4g (of a %s) at "
            "delta %.3g, besides what patients have spent before: what it does not cover will be refused. "
            "Remedy: fewer runs, or more noise; or raise it, if what the patients agreed to covers that",
            budget["epsilon"], len(every), rows[-1]["needed_epsilon"], unit, budget["delta"],
        )  # fmt: skip
    return rows


def plan_overlaps(
    levels: Iterable[str], mechanism: PlannedMechanism, *, overlaps: Sequence[int]
) -> list[dict[str, object]]:
    """Return what a bound on the overlap of patches buys: a row for each private level and bound.

    `region_epsilon` is that of as many patches, at the mechanism's delta. Where the patient is the privacy
    unit, the patient covers every region and there is no row.
    """
    planned = {"sampling_rate": mechanism.sampling_rate, "steps": mechanism.steps}
    delta, rows = mechanism.delta, []
    for name in levels if mechanism.unit == "patch" else ():
        noise = noise_of(Level.parse(name), **planned, delta=delta)
        rows += [
            {
                "level": name,
                "noise_multiplier": noise,
                "max_overlap": overlap,
                "delta": delta,
                "region_epsilon": group_epsilon([Charge(noise, **planned)], patches=overlap, delta=delta),
            }
            for overlap in overlaps
            if noise is not None
        ]
    return rows
