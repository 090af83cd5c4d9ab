"""Statistics of few patients: an interval for a mean over them, and a paired test between two models."""

from collections.abc import Sequence

import numpy as np
import scipy  # loads scipy.stats only when it is used, which drawing a figure does not

from privessel.limits import LEAST_PATIENTS

_CONFIDENCE = 0.95
_RESAMPLES = 9999


def bootstrap_mean(values: Sequence[float], *, seed: int) -> tuple[float, float]:
    """Return the 95 % percentile bootstrap interval of the mean over patients; NaN leaves a patient out.

    Two NaN with fewer than `LEAST_PATIENTS`. The interval never leaves the range of the values, so with few
    patients it is too narrow: by the factor sqrt((n - 1) / n) in its spread alone. It depends on the values
    and the seed, not on their order or on other models. Source: Efron 1979, doi:10.1214/aos/1176344552.
    """
    values = np.sort(_measured(values))
    if len(values) < LEAST_PATIENTS:
        return np.nan, np.nan
    interval = scipy.stats.bootstrap(
        (values,),
        np.mean,
        n_resamples=_RESAMPLES,
        confidence_level=_CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def signed_rank_p(differences: Sequence[float]) -> float:
    """Return the two-sided p of Wilcoxon's signed-rank test that differences of patients lie around 0.

    Patients without a difference take no part; p is 1 where none has one, NaN without a patient. Exact for
    up to 50 patients without ties, and for up to 13 with ties. Source: Wilcoxon 1945, doi:10.2307/3001968.
    """
    differences = _measured(differences)
    if not len(differences):
        return np.nan
    if not differences.any():
        return 1.0
    return float(scipy.stats.wilcoxon(differences, zero_method="wilcox", alternative="two-sided").pvalue)


def smallest_p(patients: int) -> float:
    """Return the smallest two-sided p the signed-rank test can give: all patients agree in direction.

    >>> [smallest_p(patients) for patients in (1, 3, 6)]
    [1.0, 0.25, 0.03125]
    """
    return min(2.0 ** (1 - patients), 1.0)


def adjust_holm(p: Sequence[float]) -> np.ndarray:
    """Return p values adjusted for their number by Holm's step-down rule; NaN stay and do not count.

    Below 0.05 where the hypothesis is rejected at a familywise error of 0.05. Source: Holm 1979, Scandinavian
    Journal of Statistics 6, 65-70.
    """
    p = np.asarray(p, float)
    adjusted = np.full(p.shape, np.nan)
    order = np.argsort(p, kind="stable")[: np.count_nonzero(~np.isnan(p))]
    remaining = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * remaining), 1)
    return adjusted


def _measured(values: Sequence[float]) -> np.ndarray:
    values = np.asarray(values, float)
    return values[~np.isnan(values)]
