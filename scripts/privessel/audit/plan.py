"""An audit of a run's privacy promise: a lower bound on its eps from canaries inserted by the toss of a coin.

Steinke, Nasr and Jagielski 2023, "Privacy Auditing with One (1) Training Run" (arXiv:2305.08846): a fair coin
for each canary decides whether it is put among the training patches. The auditor gives every canary a score
from what training released, guesses that those with the highest scores were in and those with the lowest
out, and abstains on the rest. If training is (eps, delta)-private, no strategy is right more often than
`p_value` allows, so more right guesses refute that eps. A bound of 0 proves nothing: the audit may have been
too small, or its attack too weak.

The number of guesses is part of the plan, and the coins follow from the plan. If somebody changes the plan
after seeing the scores, the coins are no longer those that the run was trained with, and nothing but chance
findings are possible. This is on purpose: a threshold chosen afterwards raises the rate of false alarms from
5 % to a quarter and more.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import binom

from privessel.audit.gaussian import epsilon_of_mu, largest_refuted, one_run_mu
from privessel.errors import PrivacyError
from privessel.privacy.keys import Stream

LARGEST_LOG = 700.0  # float64 ends at 709
LARGEST_EXPONENT = 80.0  # float32 ends at 88


@dataclass(frozen=True)
class Plan:
    """What is fixed before training begins; ValueError for a plan that cannot show anything."""

    canaries: int  # units of which a coin each decides whether they are in
    guesses_in: int  # canaries with the highest scores, guessed to be in
    guesses_out: int  # canaries with the lowest scores, guessed to be out
    scores: tuple[str, ...]  # every way of scoring that will be tried
    delta: float  # delta of the promise that is audited
    confidence: float  # probability that the bounds of all scores hold together

    def __post_init__(self) -> None:
        if min(self.guesses_in, self.guesses_out) < 0 or not 1 <= self.guesses <= self.canaries:
            raise ValueError(
                f"{self.guesses_in} guesses 'in' and {self.guesses_out} 'out' must be between 1 and "
                f"{self.canaries}, the number of canaries, together"
            )
        if not self.scores or len(set(self.scores)) < len(self.scores):
            raise ValueError(f"an audit needs names of scores, each once, not {list(self.scores)}")
        if not 0 <= self.delta < 1:
            raise ValueError(f"delta is at least 0 and below 1, not {self.delta}")
        if not 0.5 < self.confidence < 1:
            raise ValueError(f"confidence is above 0.5 and below 1, not {self.confidence}")

    @property
    def guesses(self) -> int:
        """The number of canaries that are guessed; the audit abstains on all others."""
        return self.guesses_in + self.guesses_out

    @property
    def level(self) -> float:
        """The false alarm rate allowed to each score, so that all together stay within the confidence."""
        return (1 - self.confidence) / len(self.scores)

    @property
    def ceiling(self) -> float:
        """The bound if every guess is right: the largest eps that this plan can show."""
        return self.bound(self.guesses)

    def bound(self, right: int) -> float:
        """Return the lower bound on eps from `right` guesses of one score."""
        return lower_bound(
            canaries=self.canaries, guesses=self.guesses, right=right, delta=self.delta, level=self.level
        )

    def gaussian_bound(self, right: int) -> float:
        """Return the lower bound on eps if the run's trade-off is a Gaussian's; `bound` assumes nothing."""
        mu = one_run_mu(canaries=self.canaries, guesses=self.guesses, right=right, level=self.level)
        return epsilon_of_mu(mu, delta=self.delta)


@dataclass(frozen=True)
class Finding:
    """What one score of an audit shows."""

    score: str
    guesses: int
    right: int
    epsilon_low: float  # lower bound on eps
    ceiling: float  # the bound if every guess were right
    epsilon_gaussian: float  # lower bound on eps if the run's trade-off is a Gaussian's
    ceiling_gaussian: float  # that bound if every guess were right
    confidence: float  # of each bound by itself
    claimed_epsilon: float
    p_value: float  # largest chance of so many right guesses if the claim holds
    refuted: bool  # whether the audit shows that the run's eps is larger than claimed


def toss_coins(plan: Plan, stream: Stream) -> NDArray[np.bool_]:
    """Return which canaries (m,) are put among the training patches; every plan has its own coins.

    Every run needs its own stream, and whoever computes the scores must not know its key.
    """
    fixed = json.dumps(asdict(plan), sort_keys=True)
    return stream.uniform(f"canaries of audit {fixed}", 0, plan.canaries) < 0.5


def audit(
    plan: Plan, scores: Mapping[str, NDArray[np.floating]], *, stream: Stream, claimed_epsilon: float
) -> tuple[Finding, ...]:
    """Return what each score shows about a run and the eps that it claims.

    scores (m,) are larger for canaries that are more likely in. `stream` is the one that tossed the run's
    coins. Canaries of equal score are guessed in their order. Raises PrivacyError for scores that the plan
    does not name, for scores of the plan that are missing, and for values that are not numbers.
    """
    if set(scores) != set(plan.scores):
        raise PrivacyError(
            f"the audit was planned with the scores {', '.join(plan.scores)}, but has {', '.join(scores)}. "
            "Remedy: compute the planned ones, all of them; others need a new plan and a new run."
        )
    inserted = toss_coins(plan, stream)
    findings = []
    for name in plan.scores:
        values = np.asarray(scores[name])
        if values.shape != (plan.canaries,) or not np.isfinite(values).all():
            raise PrivacyError(
                f"score {name} must be {plan.canaries} finite numbers, one a canary. Remedy: a canary "
                "without a score gets the score of a canary about which nothing is known, such as the mean."
            )
        right = count_right(plan, values, inserted)
        chance = p_value(
            canaries=plan.canaries,
            guesses=plan.guesses,
            right=right,
            epsilon=claimed_epsilon,
            delta=plan.delta,
        )
        findings.append(
            Finding(
                score=name,
                guesses=plan.guesses,
                right=right,
                epsilon_low=plan.bound(right),
                ceiling=plan.ceiling,
                epsilon_gaussian=plan.gaussian_bound(right),
                ceiling_gaussian=plan.gaussian_bound(plan.guesses),
                confidence=1 - plan.level,
                claimed_epsilon=claimed_epsilon,
                p_value=chance,
                refuted=chance < plan.level,
            )
        )
    return tuple(findings)


def count_right(plan: Plan, scores: NDArray[np.floating], inserted: NDArray[np.bool_]) -> int:
    """Count the plan's right guesses: highest scores are guessed in, lowest out."""
    order = np.argsort(-scores, kind="stable")
    guessed_out = order[len(order) - plan.guesses_out :]
    return int(inserted[order[: plan.guesses_in]].sum() + (~inserted[guessed_out]).sum())


def p_value(*, canaries: int, guesses: int, right: int, epsilon: float, delta: float) -> float:
    """Return the largest chance of `right` or more right guesses if training is (eps, delta)-private.

    Neighbours differ in one unit, added or removed; `guesses` of all `canaries` are guessed. Exact: some
    private mechanism reaches it. With W right guesses of randomised response, W ~ Binomial(guesses,
    1 / (1 + exp(-eps))),

        P[W >= right] + (canaries delta / right) P[W >= right] P[W < right] / P[W = right].

    Why: averaged over all orders of canaries, and over flips of a coin together with its guess, a mechanism
    stays as private and as good, and the chance P_h of any one set of guesses depends on their number h of
    wrong ones alone. Privacy is then P_h <= exp(eps) P_(h+1) + x_h, where the excesses x_h, weighted by
    C(guesses - 1, h), add up to delta canaries / guesses. The best use of delta is one excess, at the most
    wrong guesses that still count.

    Theorem 5.2 of Steinke et al. 2023 is never below this where a bound is read off, at p < 0.1; the tests
    compare both, and this with a brute-force search over all mechanisms.
    """
    if not 0 <= right <= guesses <= canaries:
        raise ValueError(f"there cannot be {right} right ones among {guesses} guesses on {canaries} canaries")
    if not epsilon >= 0:
        raise ValueError(f"eps is at least 0, not {epsilon}")
    if right == 0 or epsilon > LARGEST_LOG:  # beyond that, exp(-eps) underflows
        return 1.0
    # Computed with wrong guesses, whose small chance keeps its precision where eps is large.
    wrong, chance = guesses - right, math.exp(-epsilon) / (1 + math.exp(-epsilon))
    fewer = np.arange(wrong, 0, -1)
    ratios = np.cumsum(
        np.log(fewer) - np.log(guesses - fewer + 1) + epsilon
    )  # P[h wrong] / P[wrong], h < wrong
    terms = logsumexp(np.append(ratios, 0.0))
    tail = math.exp(min(0.0, binom.logpmf(wrong, guesses, chance) + terms))
    excess = math.exp(min(terms, LARGEST_LOG)) * binom.sf(wrong, guesses, chance)
    return float(min(1.0, tail + canaries * delta / right * excess))


@lru_cache(maxsize=1 << 16)
def lower_bound(*, canaries: int, guesses: int, right: int, delta: float, level: float) -> float:
    """Return the largest eps that `right` right guesses refute, 0 where they refute none.

    The rate of false alarms is at most `level`.
    """

    def refuted(epsilon: float) -> bool:
        chance = p_value(canaries=canaries, guesses=guesses, right=right, epsilon=epsilon, delta=delta)
        return chance < level

    return largest_refuted(refuted)


def log_likelihood(
    signal: NDArray[np.floating], strength: NDArray[np.floating] | float, *, sampling_rate: float
) -> NDArray[np.floating]:
    """Return the log-likelihood ratio (in to out) of units that shift a Gaussian sum when they are sampled.

    strength: the squared shift divided by the noise's variance; signal: the sum times the shift, divided by
    that variance. By Neyman and Pearson no other score of a sum separates better. Added up over a run, it
    gives most weight to the steps in which the unit was sampled.
    """
    exponent = np.minimum(signal - strength / 2, LARGEST_EXPONENT)
    return np.log1p(sampling_rate * np.expm1(exponent))
