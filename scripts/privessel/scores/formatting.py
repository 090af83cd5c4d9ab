"""How scores, eps, noise multipliers and p values are printed in figures, tables and on the terminal."""

import math

import numpy as np

from privessel.limits import readable


def format_score(mean: float, sd: float = np.nan, *, sign: str = "±") -> str:
    """Return `mean ± sd`, the mean alone where there is no SD, `missing` without a mean.

    Two decimals, fewer from 10 and from 100 on: `0.70 ± 0.05`, `12.3 ± 4.6`, `135 ± 59`.
    """
    if np.isnan(mean):
        return "missing"
    decimals = 2 if abs(mean) < 9.995 else 1 if abs(mean) < 99.95 else 0
    return f"{mean:.{decimals}f}" if np.isnan(sd) else f"{mean:.{decimals}f} {sign} {sd:.{decimals}f}"


def format_interval(low: float, high: float) -> str:
    """Return `low to high` with the digits of `format_score`; nothing where there is no interval."""
    return "" if np.isnan(low) else f"{format_score(low)} to {format_score(high)}"


def format_eps(eps: float, *, infinity: str = "∞", none: str = "–") -> str:
    """Return eps with three digits, `infinity` without privacy, or `none` where there is no eps.

    A number of six digits or more, which promises nothing, is given as a power of ten that it exceeds.

    >>> [format_eps(eps) for eps in (6.2412, 5785.2, 2965727.0, np.inf, np.nan)]
    ['6.24', '5,785', '>10^6', '∞', '–']
    """
    if np.isnan(eps):
        return none
    if np.isinf(eps):
        return infinity
    if eps >= 1e5:
        return f">10^{math.floor(math.log10(eps))}"
    return readable(eps)


def say_eps(eps: float, *, unit: str = "") -> str:
    """Return an eps as a sentence has it, with whom it is for: `ε = 6.24 a patch`.

    >>> [say_eps(6.2412, unit="patch"), say_eps(2965727.0, unit="patient"), say_eps(np.inf)]
    ['ε = 6.24 a patch', 'ε > 10^6 a patient', 'ε = ∞']
    """
    number = format_eps(eps)
    said = f"ε > {number[1:]}" if number.startswith(">") else f"ε = {number}"
    return f"{said} a {unit}" if unit else said


def eps_columns(unit: str) -> dict[str, str]:
    """Return whom every shown eps is for, with its column of the scores table: what counts most comes first.

    unit: the privacy unit of the study. An eps of a patient covers every region and patch. `published` is
    what the paper's accounting would print.

    >>> eps_columns("patient")
    {'patient': 'eps_patient', 'published': 'eps_published'}
    """
    valid = {"patient": "eps_patient", "region": "eps_region", "patch": "eps"}
    shown = {"patient": valid["patient"]} if unit == "patient" else valid
    return shown | {"published": "eps_published"}


def format_noise(noise_multiplier: float) -> str:
    """Return a noise multiplier with three digits, `–` where there is none."""
    return f"{noise_multiplier:.3g}" if np.isfinite(noise_multiplier) else "–"


def format_p(p: float) -> str:
    """Return a p value with two digits, `< 0.001` below that."""
    return f"{p:.2g}" if p >= 0.001 else "< 0.001"
