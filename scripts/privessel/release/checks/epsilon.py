"""The eps of the mechanisms of a privacy.json, by the accountant that the site used; it is published, too.

A mechanism is a dictionary with `noise_multiplier`, `sampling_rate` and `steps`: Gaussian noise on a Poisson
sample in every step. With `pure_epsilon` in place of the noise it is a vote. The accountant needs
dp-accounting, so it is imported where it is needed: without it a check can still say what is missing.
"""


def compose_epsilon(
    mechanisms: list[dict], *, unit: str, level: str, delta: float, patches: list
) -> tuple[float, float | None]:
    """Return eps of one patient, region or patch, and P[privacy loss > eps]; see `levels.level_epsilon`."""
    from privessel.privacy.levels import level_epsilon

    return level_epsilon(_charges(mechanisms), unit=unit, level=level, patches=patches, delta=delta)


def compose_adaptively(mechanisms: list[dict], *, unit: str, delta: float) -> float:
    """Return eps of one unit if later mechanisms were chosen after a look at the results of earlier ones."""
    from privessel.privacy.levels import count_votes
    from privessel.privacy.renyi import adaptive_epsilon

    return adaptive_epsilon(count_votes(_charges(mechanisms), level=unit), delta=delta)


def _charges(mechanisms):
    from privessel.privacy.accounting import Charge

    names = ("noise_multiplier", "sampling_rate", "steps", "pure_epsilon")
    return [Charge(*(one[name] for name in names)) for one in mechanisms]
