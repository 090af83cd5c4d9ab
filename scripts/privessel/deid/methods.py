"""What each method makes of a cohort's heads, from their files to faces and pictures."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from privessel.deid.faces import BLURRED, Faces, apply_method, measure_face
from privessel.deid.frame import Framed
from privessel.deid.gamma import Gamma
from privessel.files.reading import read_arrays


def measure_faces(
    method: str,
    scans: Sequence[Mapping[str, str]],
    *,
    frames: Sequence[Path],
    gammas: Sequence[Path],
    hulls: Path | None,
    average: NDArray,
    yaws: Iterable[float],
) -> Faces:
    """Return the faces that one method leaves of a cohort.

    scans: `name`, `person` and `session` of each scan, in the order of `frames`. gammas: needed for hulls
    alone, else empty. hulls: the archive of a shield, None for the paper's own.
    """
    shielded = read_arrays(hulls) if hulls else {}
    depths = []
    for place, scan in enumerate(scans):
        gamma = Gamma.load(gammas[place]) if gammas else None
        if shielded:
            gamma = gamma.with_hull(shielded[scan["name"]])
        head = apply_method(method, Framed.load(frames[place]), average=average, gamma=gamma)
        depths.append(measure_face(head, yaws=tuple(yaws), blurred=method == BLURRED))
    people, sessions = (tuple(scan[key] for scan in scans) for key in ("person", "session"))
    return Faces(np.stack(depths), people, sessions)


def make_heads(
    methods: Iterable[str],
    scan: str,
    *,
    frame: Path,
    gamma: Path,
    hulls: Mapping[str, Path],
    average: NDArray,
) -> dict[str, NDArray]:
    """Return what each of `methods` makes of one scan; `hulls` has the archive of every shield."""
    framed, own = Framed.load(frame), Gamma.load(gamma)
    heads = {}
    for method in methods:
        archive = hulls.get(method.removeprefix("hull-"))
        seen = own.with_hull(read_arrays(archive)[scan]) if archive else own
        heads[method] = apply_method(method, framed, average=average, gamma=seen)
    return heads
