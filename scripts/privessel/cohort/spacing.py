"""How the voxels of a study's cohorts differ in size, in sentences: patches are cut in pixels, not in mm."""

from collections.abc import Mapping, Sequence
from statistics import median

from privessel.cohort.geometry import say_sides

Spacing = tuple[float, float, float]  # mm along x, y, z
# Scanners round; and within a tenth a network trained on one size does as well on the other.
_ALIKE = 0.1


def find_differences(outcomes: Sequence[Mapping], *, trained: str, size: int) -> list[str]:
    """Return how voxels differ in size, as they are used (resampled or not), among checked patients.

    outcomes: of `outcome.check`. Nothing where no patient of the cohort `trained` could be measured, or where
    none is among the outcomes. Otherwise as `compare_spacings` has it.
    """
    spacings: dict[str, list[Spacing]] = {}
    for outcome in outcomes:
        if "shape" in outcome:
            used = outcome.get("prepared", outcome)["spacing_mm"]
            spacings.setdefault(outcome["cohort"], []).append(tuple(used))
    return compare_spacings(spacings, trained=trained, size=size) if trained in spacings else []


def compare_spacings(spacings: Mapping[str, Sequence[Spacing]], *, trained: str, size: int) -> list[str]:
    """Return a sentence with a remedy for each cohort, and for patients in one, whose voxels differ by 10 %.

    spacings: those of each cohort's patients in mm. `trained` is the cohort that networks are trained on, and
    `size` the side of a patch in pixels.

    >>> compare_spacings({"a": [(0.5, 0.5, 0.7)], "b": [(0.52, 0.5, 0.7)]}, trained="a", size=96)
    []
    """
    usual = {name: _usual(found) for name, found in spacings.items()}
    shown = {name: say_sides(sides, digits=3) for name, sides in usual.items()}
    said = []
    for name, found in spacings.items():
        others = sum(_differ(one, usual[name]) for one in found)
        if others:
            said.append(
                f"{others} of {len(found)} patients of cohort {name} have other voxels than its usual "
                f"{shown[name]} mm. Remedy, if the same vessel should have as many pixels in all of "
                f"them: resample_mm: {_list(usual[name])} for this cohort."
            )
    for name in spacings.keys() - {trained}:
        if _differ(usual[name], usual[trained]):
            there, here = (size * usual[cohort][0] for cohort in (name, trained))
            said.append(
                f"cohort {name} has voxels of {shown[name]} mm, and {trained}, which networks are "
                f"trained on, of {shown[trained]} mm: {size} pixels are {there:.0f} mm there and "
                f"{here:.0f} mm here, so scores tell of another scale, too. Remedy, if that is not the "
                f"question: resample_mm: {_list(usual[trained])} for cohort {name}."
            )
    return sorted(said)


def _usual(found: Sequence[Spacing]) -> Spacing:
    x, y, z = (median(sides) for sides in zip(*found, strict=True))
    return x, y, z


def _differ(one: Spacing, other: Spacing) -> bool:
    return any(abs(a - b) > _ALIKE * b for a, b in zip(one, other, strict=True))


def _list(spacing: Spacing) -> str:
    return f"[{', '.join(f'{side:.3g}' for side in spacing)}]"
