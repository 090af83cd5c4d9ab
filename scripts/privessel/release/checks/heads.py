"""The numbers of a release of heads (privacy.json): their form, and each eps computed again."""

import math
import re

from privessel.deid.promise import say_made
from privessel.limits import MOST_PATIENT_DELTA, readable
from privessel.release.checks.epsilon import compose_adaptively, compose_epsilon
from privessel.release.checks.licences import LICENCES
from privessel.study.hulls import parse_hull

FORMAT = "privessel heads 1"
METHOD = "privacy loss distributions"
NOT_COVERED = (
    "The brain, which is the person's own, voxel by voxel: whoever has another scan of the person can "
    "recognise it, and it tells age, sex and diseases as any scan of a brain does.",
    "The brain mask and the place of the brain: with the mask, which is in the release, anyone can take the "
    "brain out of its head. A mask that reaches into the skin would give a part of the face away.",
    "How the file stores values: the grid, the type, slope and intercept, and the place in the scanner are "
    "those of the source. A scanner may have taken slope and intercept from the brightest voxel of the whole "
    "head.",
    "The few numbers of the scanner's settings in the .json beside each scan.",
    "Who is in the release, and that a scan was left out: the last check of a scan looks at its face, so "
    "that a scan did not pass it says something about that scan.",
    "What else was published about the same people, here or elsewhere.",
)
# The kinds that promise something; the paper's own hull does not.
HULL = r"brain|k-same-(?:[2-9]|[1-9][0-9]+)|local-dp-[0-9]+(?:[.][0-9]+)?"
NAME = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"
VERSION = r"[A-Za-z0-9][A-Za-z0-9.+_-]{0,39}"
SHORT, OVER = 2e-3, 1e-2  # by how much a stated eps may fall short of the one computed here, or exceed it
KEYS = {
    "format": str, "public_cohort": bool, "protects": bool, "hull": str, "delta": float, "people": int,
    "scans": int, "left_out": int, "draw": (dict, None), "epsilon": (float, None), "composed": list,
    "epsilon_composed": float, "epsilon_adaptive": float, "epsilon_limit": float, "override": (dict, None),
    "other_runs": (int, None), "models_without_noise": (int, None), "register": (str, None),
    "accountant": dict, "promise": str, "not_covered": list, "data": dict,
}  # fmt: skip
DATA = {"name": str, "description": str, "creators": list, "licence": str, "signed": bool}
CHARGE = {
    "noise_multiplier": (float, None),
    "sampling_rate": float,
    "steps": int,
    "pure_epsilon": (float, None),
}


def check_numbers(stated: dict) -> tuple[list[str], list[str]]:
    """Return (lines to show, faults) of privacy.json; ImportError where dp-accounting is not installed."""
    faults = find_misshapen(stated)
    if faults:
        return [], faults
    faults = _check_constants(stated)
    wanted = compute_epsilons(stated["draw"], stated["composed"], delta=stated["delta"])
    for name, found in wanted.items():
        # Of draws that were fixed beforehand, the most may be another person's than the worst-off's.
        given, most = stated[name], wanted["epsilon_adaptive"] if name == "epsilon_composed" else found
        if (given is None) != (found is None):
            faults.append(f"{name} is {given}, where the draws give {found}")
        elif found is not None and not (1 - SHORT) * found <= given <= (1 + OVER) * most + 1e-9:
            faults.append(f"{name} is stated as {given:.4g}, but the draws give {found:.4g}")
    kind, promised = parse_hull(stated["hull"])
    if kind == "local-dp" and wanted["epsilon"] and wanted["epsilon"] > (1 + SHORT) * promised:
        faults.append(f"an eps of {promised:g} is promised, but the draw gives {wanted['epsilon']:.4g}")
    refused, given = tell_refusal(stated), (stated["override"] or {"refused": None})["refused"]
    if refused and not given:
        faults.append("its eps is above the limit that the site had set, and no reason is given")
    elif given != refused:
        faults.append("a reason is given for what the rules do not refuse, or refuse in other words")
    return tell_numbers(stated), faults


def find_misshapen(stated: object) -> list[str]:
    """Return where privacy.json has other keys or types than it may."""
    faults = _misfits(stated, KEYS, "privacy.json")
    if faults:
        return faults
    faults += _misfits(stated["data"], DATA, "data")
    for charge in [*stated["composed"], *([stated["draw"]] if stated["draw"] else [])]:
        faults += _misfits(charge, CHARGE, "a draw")
    if stated["override"] is not None:
        faults += _misfits(stated["override"], {"reason": str, "refused": str}, "override")
    faults += _misfits(stated["accountant"], {"method": str, "versions": dict}, "accountant")
    return faults or _find_impossible(stated)


def _find_impossible(stated):
    """Return numbers that no release has, and texts where it has none: nothing of them is repeated."""
    faults, data = [], stated["data"]
    if not re.fullmatch(HULL, stated["hull"]):
        return [f"its hull, {stated['hull']!r}, is none that may leave"]
    if data["licence"] not in LICENCES:
        faults.append("the licence is none that a release may have")
    if not re.fullmatch(NAME, data["name"]):
        faults.append("its name is none that a release may have")
    if not (data["creators"] and all(isinstance(one, str) for one in data["creators"])):
        faults.append("its creators are no texts")
    versions = stated["accountant"]["versions"]
    if not all(
        isinstance(one, str) and re.fullmatch(VERSION, one) for one in [*versions, *versions.values()]
    ):
        faults.append("the versions of packages are no versions")
    if stated["register"] is not None and not re.fullmatch(r"[0-9a-f]{64}", stated["register"]):
        faults.append("the register's last line is no digest")
    if not 0 < stated["delta"] <= MOST_PATIENT_DELTA:
        faults.append(f"delta is not above 0 and at most {MOST_PATIENT_DELTA:g}, as for people")
    for one in [*stated["composed"], *([stated["draw"]] if stated["draw"] else [])]:
        given = [one[name] for name in ("noise_multiplier", "sampling_rate", "pure_epsilon")]
        if not ((given[0] or 0) > 0 and given[1:] == [1, None] and one["steps"] == 1):
            faults.append("a draw is no single Gaussian step on all of a person")
    if any((stated[name] or 0) < 0 for name in ("left_out", "other_runs", "models_without_noise")):
        faults.append("there are fewer than none of something")
    kind, k = parse_hull(stated["hull"])
    if kind == "k-same" and stated["people"] < k:
        faults.append(f"there are fewer than {k:g} people who could share a hull")
    return faults


def tell_refusal(numbers: dict) -> str | None:
    """Return why a site's limit refuses a release, which a written reason can outweigh; None if it fits."""
    spent, limit = numbers["epsilon_adaptive"], numbers["epsilon_limit"]
    if spent <= limit:
        return None
    return (
        f"All draws of one person's hulls have cost an eps of {readable(spent)} at delta "
        f"{numbers['delta']:.3g}, above the {readable(limit)} that the site had set."
    )


def compute_epsilons(draw: dict | None, composed: list[dict], *, delta: float) -> dict[str, float | None]:
    """Return the eps of a draw, of all draws of the worst-off person, and if they were chosen as one went.

    Each step counts the difference of any two people's codes, so eps is of one person's face in the place of
    another's. No draw costs nothing.
    """

    def spend(charges: list[dict]) -> float:
        given = {"unit": "patient", "level": "patient", "delta": delta, "patches": [1] * len(charges)}
        return compose_epsilon(charges, **given)[0] if charges else 0.0

    together = spend(composed)
    adaptive = compose_adaptively(composed, unit="patient", delta=delta) if len(composed) > 1 else together
    return {
        "epsilon": spend([draw]) if draw else None,
        "epsilon_composed": together,
        "epsilon_adaptive": max(together, adaptive),
    }


def tell_numbers(numbers: dict) -> list[str]:
    """Return the numbers as lines of a check."""
    delta = f"at delta {numbers['delta']:.3g}"
    lines = [f"heads: {numbers['scans']:,} scans of {numbers['people']:,} people; hull {numbers['hull']}"]
    if numbers["epsilon"] is not None:
        lines.append(f"eps of this draw: {readable(numbers['epsilon'])} {delta}, a person")
    if numbers["composed"]:
        lines.append(
            f"eps of all draws of the worst-off person: {readable(numbers['epsilon_composed'])} {delta}, "
            f"{readable(numbers['epsilon_adaptive'])} if each was chosen after a look at those before"
        )
    return lines


def list_not_covered() -> list[str]:
    """Return what the promise does not cover."""
    return list(NOT_COVERED)


def protects(*, hull: str, public: bool) -> bool:
    """Whether noise protects anybody, or nothing of the face is used: not where a published seed draws."""
    return not (public and parse_hull(hull)[0] == "local-dp")


def _check_constants(stated):
    hull, public = stated["hull"], stated["public_cohort"]
    kind, _ = parse_hull(hull)
    expected = {
        "format": FORMAT,
        "protects": protects(hull=hull, public=public),
        "promise": say_made(hull, delta=stated["delta"], public=public, learns_from="public"),
        "not_covered": list_not_covered(),
    }
    found = [f"{name} is not {value!r}" for name, value in expected.items() if stated[name] != value]
    if stated["accountant"]["method"] != METHOD:
        found.append(f"the accountant's method is not {METHOD!r}")
    if (kind == "local-dp") != (stated["draw"] is not None):
        found.append("a draw is stated for a hull without one, or none for a hull that has one")
    if stated["draw"] and stated["draw"] not in stated["composed"]:
        found.append("the draw that was released is not among the draws that eps counts")
    if not (public or stated["data"]["signed"]):
        found.append("heads of people are always signed, and these say that they are not")
    if public != (stated["other_runs"] is None) or public != (stated["models_without_noise"] is None):
        found.append("runs in ledgers are stated for public scans, or not stated for people's")
    if min(stated["people"], stated["scans"] - stated["people"] + 1) < 1:
        found.append("there are fewer scans than people, or none")
    return found


def _misfits(found, wanted, where):
    """Return where a dictionary has other keys than `wanted`, or values of another type."""
    if not isinstance(found, dict) or set(found) != set(wanted):
        return [f"{where} has other entries than {', '.join(wanted)}"]
    return [
        f"{name} of {where} is no such value" for name, kind in wanted.items() if not _is(found[name], kind)
    ]


def _is(value, kind):
    if isinstance(kind, tuple):
        return value is None or _is(value, kind[0])
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    if kind is float:
        return isinstance(value, int | float) and math.isfinite(value)
    return isinstance(value, kind)
