"""How much noise a target eps needs, and how many steps it allows: searches over `accounting.epsilon`."""

import math

from scipy.optimize import brentq

from privessel.privacy.accounting import epsilon


def calibrate(*, target_epsilon: float, sampling_rate: float, steps: int, delta: float) -> float:
    """Return the smallest noise multiplier, to about 0.2 %, whose `epsilon` is at most `target_epsilon`."""
    if not 0 < target_epsilon < math.inf:
        raise ValueError(f"a target eps is positive and finite, not {target_epsilon}")
    if steps < 1:
        raise ValueError(f"noise is calibrated for 1 or more steps, not {steps}")
    if sampling_rate == 1 and steps > 1:
        # Without sampling, n steps are one with 1 / sqrt(n) of the noise; a search from noise 1 would meet an
        # eps in the hundreds of thousands on its way.
        one = calibrate(target_epsilon=target_epsilon, sampling_rate=1.0, steps=1, delta=delta)
        return math.sqrt(steps) * one

    def excess(log_noise: float) -> float:
        spent = epsilon(
            noise_multiplier=math.exp(log_noise), sampling_rate=sampling_rate, steps=steps, delta=delta
        )
        return math.log(max(spent, 1e-9) / target_epsilon)

    low = high = 0.0
    while excess(low) <= 0:
        high, low = low, low - 0.7
    while excess(high) > 0:
        low, high = high, high + 0.7
    noise = brentq(excess, low, high, xtol=5e-4)
    while excess(noise) > 0:
        noise += 5e-4
    return math.exp(noise)


def affordable_steps(
    *, target_epsilon: float, noise_multiplier: float, sampling_rate: float, delta: float, most: int = 10**9
) -> int:
    """Return the most steps, up to `most`, whose `epsilon` is at most `target_epsilon`."""

    def fits(steps: int) -> bool:
        charge = {"noise_multiplier": noise_multiplier, "sampling_rate": sampling_rate}
        return epsilon(**charge, steps=steps, delta=delta) <= target_epsilon

    high = 1
    while high <= most and fits(high):
        high *= 4
    low, high = high // 4, min(high, most + 1)
    # Four digits are more than a plan needs.
    while high - low > max(1, low // 10**4):
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
