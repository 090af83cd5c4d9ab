"""Whether the cohorts of heads have as many people and scans as a study asks for."""

from collections.abc import Mapping

from privessel.study import names
from privessel.study.config.deid import Deid


def find_too_few(deid: Deid, people: Mapping[str, int], *, known_scans: int) -> list[str]:
    """Return what asks for more people than there are, a sentence without a full stop each.

    people: how many each cohort has. known_scans: how many scans `deid.public_heads` has.
    """
    own, known, faults = deid.heads.name, deid.public_heads.name, []
    if people[own] < deid.attack.candidates:
        faults.append(f"deid.heads has {people[own]} people, fewer than deid.attack.candidates")
    for hull in deid.hulls:
        kind, k = names.parse_hull(hull)
        small = [name for name in people if kind == "k-same" and people[name] < k]
        faults += [f"deid.hulls has {hull}, but {name} has {people[name]} people" for name in small]
    if known_scans == people[known]:
        faults.append(
            "deid.public_heads has one scan a person, but attackers learn from two of the same person"
        )
    if people[known] < 2:
        faults.append("deid.public_heads has one person, but attackers learn to tell people apart")
    if known_scans < 2 * deid.code.rank:
        faults.append("deid.public_heads has fewer than 2 scans for each axis of deid.code.rank")
    return faults
