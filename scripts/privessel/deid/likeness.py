"""One scan that stands for two people or two sessions, be it stored in another way."""

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from privessel.cohort.likeness import are_alike, digest_values, take_print


def describe_likeness(values: NDArray[np.float32]) -> dict:
    """Return what tells whether a scan (x, y, z) in RAS is another one under another name.

    `shape`, `values` (SHA-256 of the intensities without their places) and `print` of `cohort.likeness`.
    """
    return {"shape": list(values.shape), "values": digest_values(values), "print": take_print(values)}


def mark_shared_scans(outcomes: Mapping[tuple[str, str], Mapping]) -> list[dict]:
    """Return outcomes of `outcome.check`, with a problem more for each other scan that is the same one.

    outcomes: by person and session. Both of a pair get the same sentence, which names both. The scan may have
    been stored in another type, with axes in another order or flipped, with another margin of zeros, or with
    its intensities scaled or inverted. Scans that cannot be used anyway share nothing.
    """
    found = {key: {**outcome, "problems": list(outcome["problems"])} for key, outcome in outcomes.items()}
    usable = [key for key, outcome in outcomes.items() if not outcome["problems"]]
    for one, other in combinations(usable, 2):
        if told := _compare(outcomes[one], outcomes[other]):
            problem = (
                f"person {one[0]} (session {one[1]}) and person {other[0]} (session {other[1]}) have the "
                f"same scan: {told}. Remedy: find out whose it is, and take the other away."
            )
            found[one]["problems"].append(problem)
            found[other]["problems"].append(problem)
    return list(found.values())


def _compare(one: Mapping, other: Mapping) -> str | None:
    if one["sha256"] == other["sha256"]:
        return "all intensities are equal"
    if one["values"] == other["values"]:
        return "they differ by flipped axes or an empty margin alone"
    if one["shape"] == other["shape"] and are_alike(one["print"], other["print"]):
        return "they differ by a scaling of the intensities alone"
    return None
