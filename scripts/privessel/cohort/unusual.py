"""What is unusual about a patient's scan: the numbers of its check compared with limits of the config.

The comparison is made where warnings are shown. Its limits decide nothing that is trained.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from privessel.cohort.table import who


@dataclass(frozen=True)
class Usual:
    """What a scan usually is, from the config's `checks`; shares are of the brain, or as said."""

    vessel_share: tuple[float, float]
    most_empty: float  # share of the brain where the image is 0
    most_saturated: float  # share of the vessels that have the image's largest value
    least_contrast: float  # chance that a vessel voxel is brighter than one near it
    mirror_gain: float  # by how much mirrored vessels may be brighter, as a chance


def add_unusual(outcomes: Sequence[Mapping], usual: Usual) -> list[dict]:
    """Return outcomes of `outcome.check`, each with the warnings of `find_unusual` behind its own."""
    return [
        dict(outcome) | {"warnings": [*outcome["warnings"], *find_unusual(outcome, usual)]}
        for outcome in outcomes
    ]


def find_unusual(outcome: Mapping, usual: Usual) -> list[str]:
    """Return a sentence, with patient and file, for each number of a patient's check that is not usual."""
    if "measured" not in outcome:
        return []
    measured, names = outcome["measured"], outcome["names"]
    told = [f"{names['vessels']} {said}" for said in _of_masks(measured, usual)]
    if "contrast" in measured:
        told += _of_intensities(measured, usual, names)
    return [f"{who(outcome['patient'], outcome['cohort'])}{said}" for said in told]


def _of_masks(measured: Mapping, usual: Usual) -> Iterator[str]:
    least, most = usual.vessel_share
    share = measured.get("vessel_share", most)
    if not least <= share <= most:
        yield (
            f"takes {share:.2%} of the brain; usual are {least:.2%} to {most:.2%}, in whole brains 1 to 3 %"
        )


def _of_intensities(measured: Mapping, usual: Usual, names: Mapping[str, str]) -> Iterator[str]:
    if measured["empty"] > usual.most_empty:
        yield (
            f"{names['image']} is 0 in {measured['empty']:.0%} of {names['brain']}: the mask may be shifted, "
            "mirrored, or another patient's"
        )
    if measured["saturated"] > usual.most_saturated:
        yield (
            f"{names['image']}: {measured['saturated']:.0%} of the vessel voxels have the largest intensity "
            f"({measured['largest']:g}): the image was clipped, so that bright vessels all look alike; give "
            "the unclipped image if there is one"
        )
    brain, vessels = measured["mirrored_brain"], measured["mirrored_vessels"]
    if brain["best"] > brain["as_stored"] + usual.mirror_gain:
        yield (
            f"{names['brain']} holds more of the vessels when it is {brain['how']}: {brain['best']:.0%}, as "
            f"stored {brain['as_stored']:.0%}; check the orientation in both headers"
        )
    if measured["contrast"] < usual.least_contrast:
        yield (
            f"{names['vessels']}: vessels are brighter in the image than what surrounds them with a chance "
            f"of {measured['contrast']:.2f} only (0.5 is no difference, expected above "
            f"{usual.least_contrast:g}): the mask may be shifted, mirrored or another patient's, or the "
            "image inverted or no TOF-MRA"
        )
    if vessels["best"] > vessels["as_stored"] + usual.mirror_gain:
        yield (
            f"{names['vessels']} fits the image better when it is {vessels['how']}: its voxels are brighter "
            f"than the brain with a chance of {vessels['best']:.2f}, as stored {vessels['as_stored']:.2f}; "
            "check the orientation in both headers"
        )
