"""The parts that privacy.json must have, and no others."""

import math
import re

from privessel.limits import MOST_PAIRS, UNITS
from privessel.release.checks.licences import LICENCES
from privessel.release.checks.words import is_model

NUMBER, NOTHING = (int, float), type(None)
FORMAT = "privessel release 4"
MOST = {"pairs": MOST_PAIRS, "size": 10_000}  # of the data, and of pixels along a side
_CHARGE = {"noise_multiplier": (*NUMBER, NOTHING), "sampling_rate": NUMBER, "steps": int}
_CHARGE |= {"pure_epsilon": (*NUMBER, NOTHING)}  # one of the two is there
_VOTE = {"candidates": int, "patches": int, "family": str, "phantoms": int, "setting": {str: NUMBER}}
FAMILIES = ("random", "wide")  # of phantoms
_KNOB = re.compile(r"(anatomy|vessels|acquisition)\.[a-z][a-z0-9_]{0,29}")
_PART = _CHARGE | {"patches_per_patient": int, "region_patches": int, "counted": bool}
_PROMISE = {
    "delta": NUMBER,
    "epsilon": (*NUMBER, NOTHING),
    "epsilon_composed": (*NUMBER, NOTHING),
    "loss_above_epsilon": (*NUMBER, NOTHING),
    "loss_above_epsilon_composed": (*NUMBER, NOTHING),
    "composed": [_PART],
}
SHAPE = {
    "format": str,
    "data": {
        "name": str,
        "description": str,
        "creators": [str],
        "licence": str,
        "architecture": str,
        "pairs": int,
        "size": int,
        "weights": bool,
        "signed": bool,
    },
    "protects": bool,
    "public_key": bool,
    "public_cohort": bool,
    "unit": str,
    "neighbours": str,
    "patients": int,
    "patches": int,
    "patches_per_patient": int,
    "region_patches": int,
    "sampler": str,
    "clipping_norm": (*NUMBER, NOTHING),
    "vote": (_VOTE, NOTHING),
    "run": _CHARGE,
    "patient": _PROMISE,
    "region": _PROMISE | {"epsilon_limit": NUMBER, "reason": (str, NOTHING)},
    "patch": _PROMISE,
    "delta": NUMBER,
    "epsilon": NUMBER,
    "epsilon_composed": NUMBER,
    "adaptive": ({"epsilon": (*NUMBER, NOTHING), "composed": [_PART]}, NOTHING),
    "epsilon_limit": NUMBER,
    "planned": {"delta": NUMBER, "epsilon": NUMBER},
    "accountant": {"method": str, "versions": {str: str}},
    "choice": {
        "private_sets": int,
        "runs": (int, NOTHING),
        "models_without_noise": (int, NOTHING),
        "told": str,
    },
    "register": (str, NOTHING),
    "override": ({"reason": str, "refused": [str]}, NOTHING),
    "not_covered": [str],
}


def find_misshapen(stated: object) -> list[str]:
    """Return what of privacy.json is missing, unknown, of another type, or no possible number.

    No text that stands there is repeated: a site must not show it either, where it should not be there.
    """
    return _compare(stated, SHAPE, "privacy.json") or _find_impossible(stated)


def _compare(stated, shape, place):
    if isinstance(shape, tuple) and isinstance(shape[0], dict):
        return [] if stated is None else _compare(stated, shape[0], place)
    if isinstance(shape, dict) and str in shape:
        fits = isinstance(stated, dict) and all(isinstance(text, shape[str]) for text in stated.values())
        return [] if fits else [f"{place} is no table of texts, or of numbers"]
    if isinstance(shape, dict):
        if not isinstance(stated, dict):
            return [f"{place} is no table"]
        found = [f"{place} lacks {name}" for name in shape if name not in stated]
        found += [f"{place} has the unknown part {name}" for name in stated if name not in shape]
        return found or [
            fault for name in shape for fault in _compare(stated[name], shape[name], f"{place}: {name}")
        ]
    if isinstance(shape, list):
        if not isinstance(stated, list) or not stated:
            return [f"{place} is no list, or an empty one"]
        return [fault for one in stated for fault in _compare(one, shape[0], place)]
    kinds = shape if isinstance(shape, tuple) else (shape,)
    if not isinstance(stated, kinds) or (isinstance(stated, bool) and bool not in kinds):
        return [f"{place} is of another type than it should be"]
    if isinstance(stated, float) and not math.isfinite(stated):
        return [f"{place} is {stated}, and no finite number"]
    return []


def _find_odd_vote(stated):
    """A vote's words and numbers, none of which may be free: they are no place for a text of the site."""
    vote, found = stated["vote"], []
    if (stated["data"]["architecture"] == "vote") != bool(vote):
        found.append("privacy.json: only a voted set has the architecture vote")
    if not vote:
        return found
    if stated["clipping_norm"] is not None:
        found.append("privacy.json: a vote clips nothing")
    if vote["family"] not in FAMILIES or not all(map(_KNOB.fullmatch, vote["setting"])):
        found.append("privacy.json: the setting of the vote is of no family of phantoms, or has odd names")
    if any(isinstance(one, bool) or not math.isfinite(one) for one in vote["setting"].values()):
        found.append("privacy.json: the setting of the vote has a value that is no finite number")
    if vote["patches"] != stated["patches_per_patient"]:
        found.append("privacy.json: the vote was on another number of patches than each patient gave")
    return found


def _find_impossible(stated):
    counts = ("patients", "patches", "patches_per_patient", "region_patches")
    found = [f"privacy.json: {name} is {stated[name]}" for name in counts if stated[name] < 1]
    model = is_model(stated)
    found += [
        f"privacy.json: {key} is {stated['data'][key]}"
        for key, most in MOST.items()
        if not (1 <= stated["data"][key] <= most or (model and key == "pairs" and stated["data"][key] == 0))
    ]
    if model and not (stated["data"]["pairs"] == 0 and stated["data"]["weights"]):
        found.append("privacy.json: a private U-Net is released as weights, and has no pairs")
    if stated["data"]["licence"] not in LICENCES:
        found.append("privacy.json: licence is one that no release has")
    if stated["unit"] not in UNITS:
        found.append("privacy.json: unit is neither patch nor patient")
    vote = stated["vote"]
    found += _find_odd_vote(stated)
    if vote and not (vote["candidates"] > 1 and vote["patches"] > 0 and vote["phantoms"] > 0):
        found.append("privacy.json: no vote was held among such numbers of candidates and patches")
    if stated["run"]["pure_epsilon"] is None and (vote or stated["clipping_norm"] is None):
        found.append("privacy.json: a run with noise has a clipping norm, and no vote")
    if stated["run"]["pure_epsilon"] is not None and not vote:
        found.append("privacy.json: it does not say what the vote was about")
    if stated["choice"]["private_sets"] < 1:
        found.append("privacy.json: there is no private set")
    together = [one for level in ("patient", "region", "patch") for one in stated[level]["composed"]]
    together += stated["adaptive"]["composed"] if stated["adaptive"] else []
    found += [
        f"privacy.json: {one} has {name} {one[name]}"
        for one in together
        for name in ("patches_per_patient", "region_patches")
        if one[name] < 1
    ]
    for one in [stated["run"], *together]:
        noise, pure = one["noise_multiplier"], one["pure_epsilon"]
        protects = (noise is None) != (pure is None) and (pure if noise is None else noise) > 0
        if not (protects and 0 < one["sampling_rate"] <= 1 and one["steps"] > 0):
            found.append(f"privacy.json: {one} is no mechanism with noise")
    deltas = [stated[name]["delta"] for name in ("patient", "region", "patch", "planned")]
    if not all(0 < delta < 1 for delta in [stated["delta"], *deltas]):
        found.append("privacy.json: a delta is not between 0 and 1")
    return found
