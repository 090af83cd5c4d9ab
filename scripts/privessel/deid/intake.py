"""What a T1w scan of a head must be before it is de-identified; each refusal has a remedy.

The arrays here are in RAS: axis 0 to the right, 1 to the front, 2 upwards. What is refused tells something of
the scan, so a list of refused scans stays inside.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_closing, binary_fill_holes, distance_transform_edt, label

from privessel.cohort.contents import find_image_fault
from privessel.cohort.geometry import Geometry, spacing_of
from privessel.deid.face_room import FaceRoom
from privessel.errors import raise_problems

# Where scans of a cohort cannot be used.
REMEDY = (
    "correct these files, or take them away (a person may lack a session, and may be left out of "
    "participants.tsv); then start the same command again. The target `deid_intake` makes a "
    "picture of every scan."
)
_GREY_LEVELS = 8
_HEAD_LITRES, _BRAIN_LITRES = (1.5, 8.0), (0.7, 2.2)
_MOST_ANISOTROPY = 3.0
_LEAST_AROUND = 0.25  # share of the head that is no brain; 0.5 and more in whole heads
_CUT_SHARE = 0.2  # of a side's cross-section through the brain that may touch the volume's top or front
_LEAST_FACE = 0.5  # share of the place of a face that is head; 0.9 and more in whole heads, 0 after removal
_LEAST_SKIN_MM = 5.0  # before the lower front of a brain mask
_FACE_MM = 20.0  # head that should be seen below the brain
_LEVEL = 0.2  # share of the brain's brightness above which a voxel is head


@dataclass(frozen=True)
class Report:
    """What the checks found: litres of head and brain, and what is unusual but accepted."""

    head_litres: float
    brain_litres: float
    warnings: tuple[str, ...]


def check_head(
    values: NDArray, brain: NDArray[np.bool_], geometry: Geometry, *, where: str, most_voxel_mm: float
) -> Report:
    """Check one scan: intensities (x, y, z) in RAS, its brain mask, and what its header says of its place.

    geometry: of the RAS array. where: patient and file, for messages. most_voxel_mm: the largest side of a
    voxel. Raises CohortError that lists every problem.
    """
    problems = list(_header_problems(geometry, most_voxel_mm))
    unreadable = list(_value_problems(values)) + list(_mask_problems(brain, geometry))
    if unreadable:  # nothing below could be computed
        raise_problems(where, problems + unreadable)
    spacing = spacing_of(geometry.affine)
    litre = 1e6 / np.prod(spacing)
    head = find_head(values, brain)
    room = FaceRoom.turn_upright(head, brain, geometry.affine)
    report = Report(head.sum() / litre, brain.sum() / litre, tuple(_warnings(room)))
    problems += _size_problems(report)
    if not problems:
        problems += _content_problems(values, head, brain, spacing, room)
    raise_problems(where, problems)
    return report


def find_head(values: NDArray, brain: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the head: the largest connected part that is brighter than air, its hollows filled."""
    parts, _ = label(values >= _LEVEL * np.quantile(values[brain], 0.95))
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    closed = binary_closing(np.pad((parts == sizes.argmax()) | brain, 2), iterations=2)
    return binary_fill_holes(closed)[2:-2, 2:-2, 2:-2]


def check_sources_outside(sources: Mapping[str, Path], results: Path) -> None:
    """Raise CohortError where a scan (`sources`: path by who it is) lies in the folder of results.

    There it could be a head that was de-identified before, or be taken for one.
    """
    inside = Path(results).resolve()
    problems = [
        f"{who}: {path} lies in the results. Remedy: name the folder of the original scans in deid.heads"
        for who, path in sources.items()
        if Path(path).resolve().is_relative_to(inside)
    ]
    raise_problems("deid", problems)


def _header_problems(geometry: Geometry, most_voxel_mm: float) -> Iterator[str]:
    if not geometry.known:
        yield (
            "its header has neither qform nor sform, so left and right cannot be told apart. Remedy: convert "
            "the scan again from DICOM"
        )
    for warning in geometry.warnings:
        if "sform" in warning or "qform" in warning:
            different = warning.removesuffix("; sform is used")
            yield f"it {different}. Remedy: convert the scan again, or correct the wrong one of the two"
    spacing = spacing_of(geometry.affine)
    if max(spacing) > most_voxel_mm:
        yield (
            f"its voxels are up to {max(spacing):.3g} mm wide, more than {most_voxel_mm:g}. Remedy: use a "
            "scan of higher resolution, or raise deid.voxel_mm"
        )
    if max(spacing) / min(spacing) > _MOST_ANISOTROPY:
        yield (
            f"its voxels are {max(spacing) / min(spacing):.2g} times longer than wide, more than "
            f"{_MOST_ANISOTROPY:g}. Remedy: use a three-dimensional acquisition"
        )


def _value_problems(values: NDArray) -> Iterator[str]:
    if fault := find_image_fault(values):
        yield f"it {fault}"
    elif len(np.unique(values)) < _GREY_LEVELS:
        yield (
            f"it has {len(np.unique(values))} grey levels, fewer than {_GREY_LEVELS}: a mask or an empty "
            "scan. Remedy: name the T1w image in deid.image"
        )


def _mask_problems(brain: NDArray[np.bool_], geometry: Geometry) -> Iterator[str]:
    litres = brain.sum() * np.prod(spacing_of(geometry.affine)) / 1e6
    low, high = _BRAIN_LITRES
    if not low <= litres <= high:
        yield (
            f"its brain mask holds {litres:.2g} litres, a brain {low:g} to {high:g}. Remedy: look at the "
            "mask, and make it anew"
        )
    faces = [brain.take(end, axis) for axis in range(3) for end in (0, -1)]
    if any(face.any() for face in faces):
        yield "its brain mask touches the border of the scan: the brain is cut off. Remedy: use a whole scan"


def _size_problems(report: Report) -> list[str]:
    low, high = _HEAD_LITRES
    if low <= report.head_litres <= high:
        return []
    return [
        f"no head was found: what is brighter than air holds {report.head_litres:.2g} litres, a head "
        f"{low:g} to {high:g}. Remedy: look at the scan and its brain mask; if the scan was skull-stripped, "
        "use the original"
    ]


def _content_problems(
    values: NDArray, head: NDArray, brain: NDArray, spacing: tuple[float, float, float], room: FaceRoom
) -> Iterator[str]:
    deep = distance_transform_edt(brain, spacing)
    inner, rim = values[deep > 0.55 * deep.max()], values[(deep > 0) & (deep < 0.25 * deep.max())]
    if np.median(inner) <= np.median(rim):
        yield (
            "the inside of its brain is not brighter than the rim, as white matter is in a T1-weighted scan. "
            "Remedy: name the T1w image in deid.image"
        )
    if 1 - brain.sum() / head.sum() < _LEAST_AROUND:
        yield (
            "there is hardly any head around the brain: it was skull-stripped. Remedy: use the original scan"
        )
        return
    box = _bounds(brain)
    yield from _cut_problems(head, brain, box)
    if (near := room.skin_before_brain()) < _LEAST_SKIN_MM:
        yield (
            f"in front of and below the brain, air is {near:.1f} mm away from its mask: the mask holds skin "
            "or eyes, or the face was removed. Remedy: look at both, and make the mask anew or use the "
            "original scan"
        )
    elif room.share_of_face() < _LEAST_FACE:
        yield (
            "hardly any head lies in front of and below the brain: it was defaced before. Remedy: use the "
            "original scan, or release this one as it is"
        )


def _warnings(room: FaceRoom) -> Iterator[str]:
    if (below := room.below_brain()) < _FACE_MM:
        yield (
            f"only {below:.0f} mm of head are seen below the brain: the face is cut off. It is processed all "
            "the same"
        )


def _bounds(brain: NDArray[np.bool_]) -> NDArray[np.int_]:
    """Return the first and last voxel of the brain along each axis, (2, 3)."""
    places = np.argwhere(brain)
    return np.stack([places.min(0), places.max(0)])


def _cut_problems(head: NDArray, brain: NDArray, box: NDArray) -> Iterator[str]:
    width = brain.any((1, 2)).sum()
    across = np.pi / 4 * width * brain.any((0, 2)).sum()
    if head[:, :, -1].sum() > _CUT_SHARE * across:
        yield "the vertex of the head is cut off. Remedy: use a scan of the whole head"
    upper = slice((box[0, 2] + box[1, 2]) // 2, None)
    if head[:, -1, upper].sum() > _CUT_SHARE * width * (box[1, 2] - box[0, 2]) / 2:
        yield "the forehead is cut off. Remedy: use a scan of the whole head"
