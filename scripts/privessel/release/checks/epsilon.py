"""The eps of the mechanisms of a privacy.json, by the accountant that the site used; it is published, too.

A mechanism is a dictionary with `noise_multiplier`, `sampling_rate` and `steps`: Gaussian noise on a Poisson
sample in every step. With `pure_epsilon` in place of the noise it is a vote. The accountant needs
dp-accounting, so it is imported where it is needed: without it a check can still say what is missing.
"""


def compose_epsilon(
    mechanisms: list[dict], delta: float, patches: int | list = 1
) -> tuple[float, float | None]:
    """Return eps of `patches` together in all mechanisms, and P[privacy loss > eps].

    `patches` is one number for all mechanisms, or the number of each. See `group_epsilon` and
    `group_loss_above_epsilon` of the accountant.
    """
    from privessel.privacy.patient import group_epsilon, group_loss_above_epsilon

    given = {"charges": _charges(mechanisms), "patches": patches, "delta": delta}
    return group_epsilon(**given), group_loss_above_epsilon(**given)


def compose_adaptively(mechanisms: list[dict], delta: float) -> float:
    """Return eps of one unit if later mechanisms were chosen after a look at the results of earlier ones."""
    from privessel.privacy.renyi import adaptive_epsilon

    return adaptive_epsilon(_charges(mechanisms), delta=delta)


def _charges(mechanisms):
    from privessel.privacy.accounting import Charge

    names = ("noise_multiplier", "sampling_rate", "steps", "pure_epsilon")
    return [Charge(*(one[name] for name in names)) for one in mechanisms]


def charge_within(mechanisms: list[dict], level: str) -> list[dict]:
    """Return the mechanisms as they count at a level, patient, region or patch.

    A pure eps is of a whole patient who is added or removed. What changes inside of one, such as a patch, is
    one patient removed and another one added, so there it counts twice.
    """
    if level == "patient":
        return mechanisms
    return [
        one | {"pure_epsilon": 2 * one["pure_epsilon"]} if one["pure_epsilon"] else one for one in mechanisms
    ]
