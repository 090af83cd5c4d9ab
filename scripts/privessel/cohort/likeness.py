"""Scans that are the same under different names: digests of voxels, and a print that survives rescaling."""

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# So many pairs of neighbouring voxels are compared; half of them fall into the brain.
_PAIRS = 2048
# Noise alone decides a pair in two different scans, so about half of the pairs differ; in one scan, rescaled
# and rounded, next to none. Fewer pairs than these say nothing.
_MOST_DIFFERENT = 0.05
_LEAST_PAIRS = 100


def digest_voxels(voxels: NDArray) -> str:
    """Return the SHA-256 of a canonical volume's shape and values (float32; masks as they are).

    The same under another name, compression, data type and orientation.
    """
    return hashlib.sha256(str(voxels.shape).encode() + np.ascontiguousarray(voxels).tobytes()).hexdigest()


def digest_values(voxels: NDArray[np.float32]) -> str:
    """Return the SHA-256 of a volume's values in rising order, without zeros.

    The same however the axes are flipped or exchanged, and whatever margin of zeros was cut off or added.
    """
    return hashlib.sha256(np.sort(voxels[voxels != 0], axis=None).tobytes()).hexdigest()


def take_print(voxels: NDArray[np.float32]) -> str:
    """Return which of two neighbouring voxels is brighter, for fixed places: `0`, `1`, or `-` where equal.

    Any rescaling of the intensities that keeps their order keeps it, up to ties by rounding.
    """
    rng = np.random.default_rng(0)
    sides = np.array(voxels.shape)
    places = rng.integers(0, sides, (_PAIRS, 3))
    steps = np.eye(3, dtype=int)[rng.integers(0, 3, _PAIRS)]
    neighbours = np.where(places + 2 * steps < sides, places + 2 * steps, places - 2 * steps) % sides
    difference = np.sign(
        voxels[tuple(places.T)].astype(np.float32) - voxels[tuple(neighbours.T)].astype(np.float32)
    )
    return "".join(np.array(["0", "-", "1"])[difference.astype(int) + 1])


def are_alike(one: str, other: str) -> bool:
    """Return whether two prints are of one scan, possibly rescaled or inverted."""
    marks = [np.frombuffer(told.encode(), dtype=np.uint8) for told in (one, other)]
    if marks[0].size != marks[1].size:
        return False
    clear = (marks[0] != ord("-")) & (marks[1] != ord("-"))
    if clear.sum() < _LEAST_PAIRS:
        return False
    different = float((marks[0] != marks[1])[clear].mean())
    return different <= _MOST_DIFFERENT or different >= 1 - _MOST_DIFFERENT


def mark_repeated(outcomes: Sequence[dict], earlier: Sequence[dict] = ()) -> list[dict]:
    """Return outcomes of checks, with a problem more for each other patient of the same scan or vessel mask.

    Both of a pair get the same sentence, which names both. `earlier` are outcomes of other splits and
    cohorts, with which these are compared. Patients whose files could not be read share nothing.
    """
    found = [outcome | {"problems": list(outcome["problems"])} for outcome in outcomes]
    known = [outcome | {"problems": []} for outcome in earlier if "voxels" in outcome]
    for outcome in found:
        if "voxels" not in outcome:
            continue
        for other in known:
            if told := _compare(other, outcome):
                other["problems"].append(told)
                outcome["problems"].append(told)
        known.append(outcome)
    return found


def _compare(one: dict, other: dict) -> str | None:
    """Describe what two patients share, or return None."""
    same_shape = one["shape"] == other["shape"]
    if one["voxels"] == other["voxels"]:
        what = "have the same scan: every voxel of their images is equal"
    elif one["values"] == other["values"]:
        what = "have the same scan: their images differ by flipped axes or an empty margin alone"
    elif same_shape and are_alike(one["print"], other["print"]):
        what = "have the same scan: their images differ by a scaling of the intensities alone"
    elif one["vessel_voxels"] == other["vessel_voxels"]:
        what = "have the same vessel mask, voxel by voxel"
    else:
        return None
    names = [f"{told['patient']} ({told['split']}, cohort {told['cohort']})" for told in (one, other)]
    return (
        f"patients {names[0]} and {names[1]} {what}. Remedy: keep one of them, or correct the file of the "
        "other; one person in two splits would make every score too good, and one counted twice breaks the "
        "promise of privacy."
    )
