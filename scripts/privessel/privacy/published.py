"""The published accounting of Kossen et al. (2022): what it printed, and what its mechanism guarantees."""

import math
import warnings

from privessel.privacy.accounting import Charge, epsilon, require_usable_delta

# Orders of Opacus 0.14, which the published code used.
PUBLISHED_ORDERS = [*(1 + x / 10 for x in range(1, 100)), *range(12, 64)]


def epsilon_published(
    *, noise_multiplier: float | None, sampling_rate: float, steps: int, delta: float
) -> float:
    """Return eps as the code of Kossen et al. (2022) would have printed it; not valid.

    It charges each of `steps` critic steps twice, for the real and for the fake batch, and takes the Renyi
    orders and the conversion of Opacus 0.14. It is wrong for the mechanism it was printed for: see
    `epsilon_reused`.
    """
    # Opacus brings torch with it, 3 s that the other functions need not wait for.
    from opacus.accountants.analysis import rdp

    require_usable_delta(delta)
    charge = Charge(noise_multiplier, sampling_rate, steps)
    if not charge.steps or not charge.protected:
        return math.inf if charge.steps else 0.0
    spent = rdp.compute_rdp(
        q=sampling_rate, noise_multiplier=noise_multiplier, steps=2 * steps, orders=PUBLISHED_ORDERS
    )
    with warnings.catch_warnings():
        # The orders are the published ones; that others would be better is beside the point.
        warnings.filterwarnings("ignore", message="Optimal order is the")
        return float(rdp.get_privacy_spent(orders=PUBLISHED_ORDERS, rdp=spent, delta=delta)[0])


def epsilon_reused(
    *, noise_multiplier: float | None, sampling_rate: float, steps: int, critic_steps: int, delta: float
) -> float:
    """Return the eps that the published mechanism guarantees: `critic_steps` on one Poisson sample.

    Sub-sampling amplifies once for all of them, so together they are one step whose noise is smaller by the
    root of `critic_steps`. `steps` counts critic steps. Holds only if the drawn batch size is public, as it
    was there.
    """
    if critic_steps < 1:
        raise ValueError(f"a generator step has 1 or more critic steps, not {critic_steps}")
    joint = None if noise_multiplier is None else noise_multiplier / math.sqrt(critic_steps)
    batches = -(-steps // critic_steps)
    return epsilon(noise_multiplier=joint, sampling_rate=sampling_rate, steps=batches, delta=delta)
