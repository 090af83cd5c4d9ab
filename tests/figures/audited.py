"""Hand-made tables of what an audit found."""

import functools

import numpy as np
import pandas as pd
from scores.examples import demo, study

from privessel.figures import attacks, audit


def steps(levels=None, low=5.5, failed=""):
    """Return what the audit of single steps found at private levels."""
    row = {"arch": "wgan", "guesses_in": 24_900, "guesses_out": 25_100, "confidence": 0.95}
    row |= {"epsilon_low": low, "failed": failed}
    return [row | {"level": level} for level in levels or ("noise-0.65",)]


utility_privacy_data = functools.partial(audit.utility_privacy_data, steps=(), unit="patch", seed=3)


attacks_data = functools.partial(attacks.attacks_data, unit="patch")


AUDITED = {"inf": np.inf, "noise-0.65": 6.24}


BOUNDS = {"gradient": 1.5, "critic": 0.25, "nearest": 0.0}


ADVANTAGES = {"critic": 0.4, "nearest": 0.3, "density": 0.2}


LOST = {"gradient": 7.5}


RATES = np.array([0, 0.001, 0.002, 0.01, 0.1, 0.5, 1])


UNITS = (("patch", "patch"), ("patch", "patient"), ("patient", "patient"))


def bounds(levels=AUDITED, found=BOUNDS, **more):
    """Return what the audit found; at level inf gradients are not scored."""
    table = [
        {"arch": "wgan", "level": level, "run": 1, "eps": eps, "score": score, "canaries": 1000}
        | {"guesses": 200, "right": 120, "epsilon_low": low, "ceiling": 4.0, "claimed_epsilon": eps}
        | {"epsilon_gaussian": 1.6 * low, "ceiling_gaussian": 7.0}
        | {"confidence": 0.975 if np.isinf(eps) else 1 - 0.05 / 3, "p_value": 0.001 if low > eps else 0.5}
        | {"refuted": low > eps}
        | more
        for level, eps in levels.items()
        for score, low in found.items()
        if score != "gradient" or np.isfinite(eps)
    ]
    return pd.DataFrame(table)


def membership(levels=AUDITED, *, few=False):
    """Return attacks on 41 patients against 5; with `few` there is no interval over patients."""
    table = []
    for level, eps in levels.items():
        for attack, advantage in ADVANTAGES.items():
            for unit, resampled in UNITS:
                arm = 0.02 if resampled == "patch" else np.nan if few else 0.1
                row = {"arch": "wgan", "level": level, "run": 1, "eps": eps, "attack": attack, "unit": unit}
                row |= {"resampled": resampled, "members": 4100 if unit == "patch" else 41}
                row |= {"others": 500 if unit == "patch" else 5, "auc": 0.5 + advantage / 2}
                row |= {"auc_low": row["auc"] - arm, "auc_high": row["auc"] + arm, "advantage": advantage}
                row |= {"advantage_low": advantage - arm, "advantage_high": advantage + arm}
                table.append(row | {"advantage_chance": 0.05 if resampled == "patch" else 0.25})
    return pd.DataFrame(table)


def roc(levels=AUDITED, *, few=False):
    arm = np.nan if few else 0.1
    parts = [
        pd.DataFrame(
            {"arch": "wgan", "level": level, "run": 1, "eps": eps, "attack": attack, "false_rate": RATES}
        )
        for level, eps in levels.items()
        for attack in ADVANTAGES
    ]
    table = pd.concat(parts, ignore_index=True)
    table["true_rate"] = table["false_rate"] ** (1 - table["attack"].map(ADVANTAGES))
    low, high = (np.clip(table["true_rate"] + by, 0, 1) for by in (-arm, arm))
    return table.assign(low=low, high=high)


def audited(**more):
    return utility_privacy_data(study(), bounds(**more), membership())


def audited_with_steps(**found):
    return utility_privacy_data(study(), bounds(), membership(), steps=steps(**found))


NONE = {"bounds": bounds().head(0), "membership": membership().head(0), "roc": roc().head(0)}


WITHOUT = {"inf": np.inf}


CASES = {
    "nothing audited": (study, NONE["bounds"], NONE["membership"], NONE["roc"]),
    "one level": (demo, bounds({"noise-0.65": 8.3}), membership(few=True), roc(few=True)),
    "only inf": (
        lambda: study()[lambda frame: frame["kind"] == "inf"],
        bounds(WITHOUT),
        membership(WITHOUT),
        roc(WITHOUT),
    ),
    # The curves of the cases below are those of the cases above, or full.
    "no scores": (lambda: study().head(0), bounds(), membership(), None),
    "no study": (lambda: study().head(0), NONE["bounds"], NONE["membership"], None),
    "level that failed": (lambda: study().assign(dsc=np.nan), bounds(found=LOST), membership(), None),
}
