"""From a scan's files to its head in the common frame and the paper's privacy transform of it."""

import hashlib
import logging
from collections.abc import Mapping

import numpy as np

from privessel.cohort.geometry import spacing_of
from privessel.cohort.nifti import Stored, reorient
from privessel.deid.cleaning import clean
from privessel.deid.frame import Framed, find_place, frame
from privessel.deid.gamma import Gamma, transform
from privessel.deid.native import Native, read_scan
from privessel.deid.render import SKIN
from privessel.errors import CohortError
from privessel.seeds import derive
from privessel.study.head_scans import HeadScan

_MOST_CUT = 1e-3  # share of a side of the cube that may be brighter than air

log = logging.getLogger(__name__)


def prepare(
    scan: HeadScan, *, digest: str, side: int, field_of_view: float, corrections: Mapping[str, int]
) -> Framed:
    """Read a scan that was checked, and return it in the common frame; a head that reaches out is logged.

    digest: SHA-256 of the intensities that were checked. corrections: `bias_field` and `denoising`, as
    `cleaning.clean` takes them. Raises CohortError, which names person, file and remedy, where the scan
    cannot be read or is another one by now.
    """
    where = f"person {scan.person}, session {scan.session}"
    native, brain = read_scan(scan.image, scan.brain, who=where)
    if digest_voxels(native) != digest:
        raise CohortError(
            f"{where}: {scan.image} is another scan than the one that was checked. Remedy: leave the file "
            "alone while the study runs; start the same command again."
        )
    values = native.values
    cleaned = clean(values, brain, spacing_of(native.affine), **corrections)
    masked = np.where(brain, cleaned.values, 0)
    place = find_place(masked, brain, native.affine, side=side, field_of_view=field_of_view)
    place = place.with_bias(cleaned.bias, native.affine)
    framed = frame(cleaned.values, brain, native.affine, place)
    if cut := find_cut(framed):
        log.warning(
            "%s: the head reaches out of the common cube (%s). Remedy: raise deid.field_of_view",
            where,
            ", ".join(cut),
        )
    return framed


def find_cut(framed: Framed) -> list[str]:
    """Return the sides, other than below, at which the head reaches out of the cube: it is too small."""
    sides = {"left": (0, 0), "right": (0, -1), "back": (1, 0), "front": (1, -1), "top": (2, -1)}
    most = _MOST_CUT * framed.place.side**2
    return [
        name for name, (axis, end) in sides.items() if (framed.image.take(end, axis) >= SKIN).sum() > most
    ]


def digest_voxels(scan: Native) -> str:
    """Return the SHA-256 of a scan's intensities in RAS.

    A copy has the same, be it under another name, of another type, or with its axes in another order.
    """
    upright = reorient(Stored(scan.values, scan.geometry, scan.header)).data
    return hashlib.sha256((upright.astype(np.float32) + 0.0).tobytes()).hexdigest()


def make_gamma(framed: Framed, *, seed: int, name: str, settings: Mapping[str, float]) -> Gamma:
    """Return the paper's privacy transform of a framed scan; `settings`: rotations, planes, level.

    name: cohort and scan, which the draws follow. Raises CohortError, which has it, where there is no hull.
    """
    random = np.random.default_rng(derive(seed, "gamma", name))
    try:
        return transform(framed.image, framed.brain, random, **settings)
    except CohortError as problem:
        raise CohortError(f"scan {name} {problem}.") from problem
