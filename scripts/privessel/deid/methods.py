"""What each method makes of a cohort's heads, from their files to faces and pictures."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from privessel.deid.faces import BLURRED, Faces, apply_method, measure_face
from privessel.deid.frame import Framed
from privessel.deid.gamma import Gamma
from privessel.files.reading import read_array
from privessel.study.names import GAN_METHOD, HULL_METHOD


def measure_faces(
    method: str,
    scans: Sequence[Mapping[str, str]],
    *,
    frames: Sequence[Path],
    gammas: Sequence[Path],
    hulls: Path | None,
    made: Sequence[Path],
    average: NDArray,
    yaws: Iterable[float],
) -> Faces:
    """Return the faces that one method leaves of a cohort.

    scans: `name`, `person` and `session` of each scan; all files are in their order. gammas: needed for hulls
    alone, else empty. hulls: the archive of a shield, None for the paper's own. made: the heads of a GAN,
    which need no `frames`; empty for any other method.
    """
    depths = []
    for place, scan in enumerate(scans):
        if made:
            head = read_array(made[place], "image")
        else:
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
    made: Mapping[str, Path],
    average: NDArray,
) -> dict[str, NDArray]:
    """Return what each of `methods` makes of one scan.

    hulls: the archive of every shield. made: the head that a GAN has made in each kind of hull.
    """
    framed, heads = Framed.load(frame), {}
    for method in methods:
        if method.startswith(GAN_METHOD):
            heads[method] = read_array(made[method.removeprefix(GAN_METHOD)], "image")
            continue
        seen = _load_gamma(gamma, hulls.get(method.removeprefix(HULL_METHOD)), scan)
        heads[method] = apply_method(method, framed, average=average, gamma=seen)
    return heads


def _load_gamma(path: Path, hulls: Path | None, scan: str) -> Gamma:
    """Return a scan's gamma, in the hull that the archive `hulls` of a shield has for it, if there is one."""
    own = Gamma.load(path)
    return own.with_hull(read_array(hulls, scan)) if hulls else own
