"""Whether a scan and its masks look like a TOF-MRA and vessels: what is refused, and what is warned of.

Bright blood is what every figure and every model of a study rests on. The limits stand in the config
(`checks`), each with its reason.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

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
    """What a scan may be, from the config's `checks`; shares are of the brain unless they say otherwise."""

    voxel_mm: tuple[float, float]  # least and largest side of a voxel
    extent_mm: tuple[float, float]  # least and largest length of a volume's longest side
    vessel_share: tuple[float, float]  # below or above: warned
    most_vessels: float  # above: refused
    most_outside: float  # share of the vessels outside the brain; above: refused
    most_negative: float  # share of the brain below 0; above: refused
    most_empty: float  # share of the brain where the image is 0; above: warned
    most_saturated: float  # share of the vessels that have the image's largest value; above: warned
    least_contrast: float  # chance that a vessel voxel is brighter than one near it; below: warned
    mirror_gain: float  # warned where mirrored vessels are brighter by more than this chance


@dataclass(frozen=True)
class Findings:
    """What is wrong with a scan (`problems`, each with its remedy) and what is unusual (`warnings`)."""

    problems: list[str]
    warnings: list[str]


def examine(scan: Scan, limits: Limits, names: Mapping[str, str], *, unit: str) -> Findings:
    """Compare a scan's geometry, intensities and masks with `limits`.

    names: how messages call image, vessels and brain. unit: the header's unit of length.
    """
    problems = [f"{names['image']}: {told}" for told in _implausible_sizes(scan, limits, unit)]
    values, bright = scan.image[scan.brain], scan.image[scan.vessels & scan.brain]
    intensity = [f"{names['image']} {told}" for told in _unusable_intensities(values, bright, limits)]
    problems += intensity + [f"{names['vessels']} {told}" for told in _implausible_masks(scan, limits)]
    warnings = [f"{names['vessels']} {told}" for told in _unusual_masks(scan, limits)]
    if not intensity:
        warnings += _unusual_intensities(scan, values, limits, names)
    return Findings(problems, warnings)


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
        sides = " x ".join(f"{side:g}" for side in scan.spacing)
        yield (
            f"voxels of {sides} mm make a volume {extent:g} mm long (the header's unit is {unit}); "
            f"expected are voxels of {least:g} to {most:g} mm and {short:g} to {long:g} mm. Remedy: "
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


def _unusual_intensities(
    scan: Scan, values: NDArray[np.float32], limits: Limits, names: Mapping[str, str]
) -> Iterator[str]:
    empty = float((values == 0).mean())
    if empty > limits.most_empty:
        yield (
            f"{names['image']} is 0 in {empty:.0%} of {names['brain']}: the mask may be shifted, mirrored, "
            "or another patient's"
        )
    vessels = scan.vessels & scan.brain
    bright = scan.image[vessels]
    saturated = float((bright == values.max()).mean())
    if saturated > limits.most_saturated:
        yield (
            f"{names['image']}: {saturated:.0%} of the vessel voxels have the largest intensity "
            f"({values.max():g}): the image was clipped, so that bright vessels all look alike; give the "
            "unclipped image if there is one"
        )
    yield from _mirrored_brain(scan, limits, names)
    contrast = brighter(bright, _surroundings(scan, vessels))
    if contrast < limits.least_contrast:
        yield (
            f"{names['vessels']}: vessels are brighter in the image than what surrounds them with a chance "
            f"of {contrast:.2f} only (0.5 is no difference, expected above {limits.least_contrast:g}): the "
            "mask may be shifted, mirrored or another patient's, or the image inverted or no TOF-MRA"
        )
    as_stored, best, how = _mirrored_fit(scan, vessels, values)
    if best > as_stored + limits.mirror_gain:
        yield (
            f"{names['vessels']} fits the image better when it is {how}: its voxels are brighter than the "
            f"brain with a chance of {best:.2f}, as stored {as_stored:.2f}; check the orientation in both "
            "headers"
        )


def _implausible_masks(scan: Scan, limits: Limits) -> Iterator[str]:
    inside, total = int((scan.vessels & scan.brain).sum()), int(scan.vessels.sum())
    share, outside = inside / int(scan.brain.sum()), 1 - inside / total
    if share > limits.most_vessels:
        yield (
            f"takes {share:.1%} of the brain, more than {limits.most_vessels:.1%}; usual "
            "are 1 to 3 %. Remedy: check that it is a mask of vessels alone, neither inverted nor dilated"
        )
    if outside > limits.most_outside:
        yield (
            f"lies outside the brain mask by {outside:.0%}, more than "
            f"{limits.most_outside:.0%}. Remedy: check that both masks belong to this image"
        )


def _unusual_masks(scan: Scan, limits: Limits) -> Iterator[str]:
    share = int((scan.vessels & scan.brain).sum()) / int(scan.brain.sum())
    least, most = limits.vessel_share
    if share < least or most < share <= limits.most_vessels:
        yield (
            f"takes {share:.2%} of the brain; usual are {least:.2%} to {most:.2%}, in whole brains 1 to 3 %"
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


def _mirrored_brain(scan: Scan, limits: Limits, names: Mapping[str, str]) -> Iterator[str]:
    """Warn of a brain mask that holds more of the vessels when it is mirrored."""
    places, shape = np.argwhere(scan.vessels), np.array(scan.image.shape)
    inside = {}
    for flips in product((False, True), repeat=3):
        moved = np.where(flips, shape - 1 - places, places)
        inside[flips] = float(scan.brain[tuple(moved.T)].mean())
    best, as_stored = max(inside, key=inside.get), inside[False, False, False]
    if inside[best] > as_stored + limits.mirror_gain:
        yield (
            f"{names['brain']} holds more of the vessels when it is mirrored {_name_flips(best)}: "
            f"{inside[best]:.0%}, as stored {as_stored:.0%}; check the orientation in both headers"
        )


def _name_flips(flips: tuple[bool, ...]) -> str:
    return " and ".join(axis for axis, flipped in zip(_AXES, flips, strict=True) if flipped)


def _mirrored_fit(
    scan: Scan, vessels: NDArray[np.bool_], values: NDArray[np.float32]
) -> tuple[float, float, str]:
    """Return how bright the vessels are as stored, and at best mirrored or with two axes exchanged, and how.

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
    return as_stored, fits[how], how
