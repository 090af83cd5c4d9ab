"""What each method makes of a cohort's heads, from their files to faces and pictures."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from privessel.deid.faces import BLURRED, Faces, apply_method, measure_face
from privessel.deid.frame import Framed
from privessel.deid.gamma import Gamma
from privessel.files.reading import read_array


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
    depths = []
    for place, scan in enumerate(scans):
        gamma = _load_gamma(gammas[place], hulls, scan["name"]) if gammas else None
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
    framed, heads = Framed.load(frame), {}
    for method in methods:
        seen = _load_gamma(gamma, hulls.get(method.removeprefix("hull-")), scan)
        heads[method] = apply_method(method, framed, average=average, gamma=seen)
    return heads


def _load_gamma(path: Path, hulls: Path | None, scan: str) -> Gamma:
    """Return a scan's gamma, in the hull that the archive `hulls` of a shield has for it, if there is one."""
    own = Gamma.load(path)
    return own.with_hull(read_array(hulls, scan)) if hulls else own
