"""Whether a scan and its masks look like a TOF-MRA and vessels: what is refused, and what is measured.

Bright blood is what every figure and every model of a study rests on. The limits stand in the config
(`checks`), each with its reason. What is only unusual is measured here and told by `unusual`, so that another
limit of a warning checks no patient again and trains nothing anew.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from privessel.cohort.geometry import say_sides
from privessel.cohort.scan import Scan

# Vessels blur into their neighbours, so the surroundings begin a voxel away and end at this distance.
_SURROUNDINGS_VOXELS = 4
# As many values as a rank needs; the sorted sample stands for the brain.
_SAMPLE = 200_000
# An image of two or three values is a mask or a label map, whatever its data type.
_LEAST_VALUES = 4
_AXES = ("left-right", "front-back", "top-bottom")


@dataclass(frozen=True)
class Limits:
    """What a scan may be, from the config's `checks`; beyond it the scan is refused."""

    voxel_mm: tuple[float, float]  # least and largest side of a voxel
    extent_mm: tuple[float, float]  # least and largest length of a volume's longest side
    most_vessels: float  # share of the brain
    most_outside: float  # share of the vessels outside the brain
    most_negative: float  # share of the brain below 0


@dataclass(frozen=True)
class Findings:
    """What is wrong with a scan (`problems`, each with its remedy), and its numbers as plain data.

    `measured` has the keys that `unusual.find_unusual` compares; numbers of what was refused are left out.
    """

    problems: list[str]
    measured: dict[str, object]


def examine(scan: Scan, limits: Limits, names: Mapping[str, str], *, unit: str) -> Findings:
    """Compare a scan's geometry, intensities and masks with `limits`.

    names: how messages call image, vessels and brain. unit: the header's unit of length.
    """
    problems = [f"{names['image']}: {told}" for told in _implausible_sizes(scan, limits, unit)]
    values, bright = scan.image[scan.brain], scan.image[scan.vessels & scan.brain]
    intensity = [f"{names['image']} {told}" for told in _unusable_intensities(values, bright, limits)]
    problems += intensity + [f"{names['vessels']} {told}" for told in _implausible_masks(scan, limits)]
    refused = scan.vessel_share > limits.most_vessels
    measured: dict[str, object] = {} if refused else {"vessel_share": scan.vessel_share}
    return Findings(problems, measured if intensity else measured | _measure_intensities(scan, values))


def brighter(one: NDArray, other: NDArray) -> float:
    """Return the chance that a value of `one` is larger than one of `other`, ties counted half.

    >>> brighter(np.array([2, 3]), np.array([1, 2]))
    0.875
    """
    ranked = np.sort(other)
    below, upto = np.searchsorted(ranked, one, "left"), np.searchsorted(ranked, one, "right")
    return float((below + upto).mean() / 2 / ranked.size)


def _implausible_sizes(scan: Scan, limits: Limits, unit: str) -> Iterator[str]:
    extent = max(n * side for n, side in zip(scan.image.shape, scan.spacing, strict=True))
    (least, most), (short, long) = limits.voxel_mm, limits.extent_mm
    if min(scan.spacing) < least or max(scan.spacing) > most or not short <= extent <= long:
        yield (
            f"voxels of {say_sides(scan.spacing)} mm make a volume {extent:g} mm long (the header's unit is "
            f"{unit}); expected are voxels of {least:g} to {most:g} mm and {short:g} to {long:g} mm. Remedy: "
            "correct the voxel size or xyzt_units in the header, in all files of the patient, or `checks` "
            "in the config"
        )


def _unusable_intensities(
    values: NDArray[np.float32], bright: NDArray[np.float32], limits: Limits
) -> Iterator[str]:
    """Describe intensities of the brain (`values`) and its vessels (`bright`) that break what is assumed."""
    least, most = float(values.min()), float(values.max())
    if least == most:
        yield f"is {least:g} everywhere in the brain. Remedy: export the image again"
        return
    count = np.unique(values[:: max(1, values.size // _SAMPLE)]).size
    if count < _LEAST_VALUES:
        yield (
            f"has only {count} different values in the brain, like a mask. Remedy: give the TOF-MRA as image"
        )
    negative, dark = float((values < 0).mean()), float((bright < 0).mean())
    if max(negative, dark) > limits.most_negative:
        yield (
            f"is below 0 in {negative:.0%} of the brain and {dark:.0%} of the vessels (down to {least:g}), "
            "and outside the brain it is set to 0, which would be brighter. Such images were standardised "
            "(z-scores), had something subtracted, or hold unsigned numbers that were read as signed. "
            f"Remedy: give the scanner's intensities, or add a constant such as {np.ceil(-least):g} to "
            "every voxel of the brain"
        )


def _measure_intensities(scan: Scan, values: NDArray[np.float32]) -> dict[str, object]:
    """Return shares of empty and saturated voxels, contrast, and how well mirrored masks fit."""
    vessels = scan.vessels & scan.brain
    bright = scan.image[vessels]
    return {
        "empty": float((values == 0).mean()),
        "largest": float(values.max()),
        "saturated": float((bright == values.max()).mean()),
        "contrast": brighter(bright, _surroundings(scan, vessels)),
        "mirrored_brain": _mirrored_brain(scan),
        "mirrored_vessels": _mirrored_fit(scan, vessels, values),
    }


def _implausible_masks(scan: Scan, limits: Limits) -> Iterator[str]:
    inside, total = int((scan.vessels & scan.brain).sum()), int(scan.vessels.sum())
    share, outside = scan.vessel_share, 1 - inside / total
    if share > limits.most_vessels:
        yield (
            f"takes {share:.1%} of the brain, more than {limits.most_vessels:.1%}; usual are 1 to 3 %. "
            "Remedy: check that it is a mask of vessels alone, neither inverted (0 in vessels, 1 elsewhere) "
            "nor dilated"
        )
    if outside > limits.most_outside:
        yield (
            f"lies outside the brain mask by {outside:.0%}, more than "
            f"{limits.most_outside:.0%}. Remedy: check that both masks belong to this image"
        )


def _surroundings(scan: Scan, vessels: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the intensities of the brain near vessels, but not beside them; of all else where none is."""
    box = tuple(
        slice(max(0, found.min() - _SURROUNDINGS_VOXELS), found.max() + _SURROUNDINGS_VOXELS + 1)
        for found in np.nonzero(vessels)
    )
    beside = ndimage.binary_dilation(vessels[box])
    near = ndimage.binary_dilation(beside, iterations=_SURROUNDINGS_VOXELS - 1)
    values = scan.image[box][near & ~beside & scan.brain[box]]
    return values if values.size else scan.image[scan.brain & ~scan.vessels]


def _mirrored_brain(scan: Scan) -> dict[str, object]:
    """Return the share of the vessels in the brain mask `as_stored`, and at `best` mirrored, and `how`."""
    places, shape = np.argwhere(scan.vessels), np.array(scan.image.shape)
    inside = {}
    for flips in product((False, True), repeat=3):
        moved = np.where(flips, shape - 1 - places, places)
        inside[flips] = float(scan.brain[tuple(moved.T)].mean())
    best, as_stored = max(inside, key=inside.get), inside[False, False, False]
    return {"as_stored": as_stored, "best": inside[best], "how": f"mirrored {_name_flips(best)}".strip()}


def _name_flips(flips: tuple[bool, ...]) -> str:
    return " and ".join(axis for axis, flipped in zip(_AXES, flips, strict=True) if flipped)


def _mirrored_fit(scan: Scan, vessels: NDArray[np.bool_], values: NDArray[np.float32]) -> dict[str, object]:
    """Return how bright vessels are `as_stored`, at `best` mirrored or with two axes exchanged, and `how`.

    Brightness is the chance of a vessel voxel in the brain to be brighter than one of the brain.
    """
    sample = values[:: max(1, values.size // _SAMPLE)]
    places, shape = np.argwhere(vessels), np.array(scan.image.shape)
    orders = {(0, 1, 2): ""}
    orders |= {
        order: f"{_AXES[a]} and {_AXES[b]} exchanged"
        for order, (a, b) in {(1, 0, 2): (0, 1), (2, 1, 0): (0, 2), (0, 2, 1): (1, 2)}.items()
        if shape[a] == shape[b]
    }
    fits = {}
    for (order, exchanged), flips in product(orders.items(), product((False, True), repeat=3)):
        moved = np.where(flips, shape - 1 - places[:, order], places[:, order])
        where = tuple(moved[scan.brain[tuple(moved.T)]].T)
        # A mask that leaves the brain when it is mirrored is judged by what stays, weighted by how much.
        share = where[0].size / len(places)
        mirrored = _name_flips(flips)
        words = [exchanged] if exchanged else []
        words = [f"mirrored {mirrored}", *words] if mirrored else words
        fits[" with ".join(words)] = brighter(scan.image[where], sample) * share if share else 0.0
    as_stored = fits.pop("")
    how = max(fits, key=fits.get)
    return {"as_stored": as_stored, "best": fits[how], "how": how}
