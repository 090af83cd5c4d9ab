"""What private U-Nets will cost, made before any training; see `planner` for what it shares with GANs."""

from collections.abc import Iterable, Mapping

from privessel.privacy.accounting import Charge
from privessel.privacy.planner import PlannedMechanism, plan_levels
from privessel.study.names import PRIVATE_UNET

# Of those that `plan_levels` returns; named, because there may be no rows.
UNET_COLUMNS = [
    "level", "noise_multiplier", "sampling_rate", "steps", "unit", "patient_delta", "patient_epsilon",
    "region_patches", "region_epsilon", "delta", "epsilon", "loss_above_epsilon", "release_delta",
    "release_epsilon", "epsilon_rdp", "patient_statement", "region_statement", "patch_statement",
]  # fmt: skip


def plan_private_unets(
    levels: Iterable[str], mechanism: PlannedMechanism, *, patient_delta: float
) -> list[dict[str, object]]:
    """Return the rows of `plan_levels` for private U-Nets, named by their levels as private-unet/eps-8.

    Nothing like them was published, so they have no eps as published.
    """
    rows = plan_levels(levels, mechanism, patient_delta=patient_delta)
    named = [row | {"level": f"{PRIVATE_UNET}/{row['level']}"} for row in rows]
    return [{column: row[column] for column in UNET_COLUMNS} for row in named]


def charge_unets(
    rows: Iterable[Mapping[str, object]], runs: Mapping[str, int]
) -> dict[str, tuple[Charge, int]]:
    """Return what one run of each level costs, and how many there are, for `plan_budget`.

    rows: of `plan_private_unets`. runs: the number of runs by level, in the same order.
    """
    columns = ("noise_multiplier", "sampling_rate", "steps")
    return {
        row["level"]: (Charge(*(row[column] for column in columns)), count)
        for row, count in zip(rows, runs.values(), strict=True)
    }
