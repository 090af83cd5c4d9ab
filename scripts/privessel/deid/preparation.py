"""From a scan's files to its head in the common frame and the paper's privacy transform of it."""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from privessel.cohort.geometry import spacing_of
from privessel.cohort.nifti import Stored, reorient
from privessel.deid.cleaning import clean
from privessel.deid.frame import Framed, find_place, frame
from privessel.deid.gamma import Gamma, transform
from privessel.deid.intake import Report, check_head
from privessel.deid.native import Native, read_scan
from privessel.deid.render import SKIN
from privessel.errors import CohortError
from privessel.files.atomic import atomic_path
from privessel.seeds import derive
from privessel.study.head_scans import HeadScan

_MOST_CUT = 1e-3  # share of a side of the cube that may be brighter than air

log = logging.getLogger(__name__)


def prepare(
    scan: HeadScan,
    *,
    side: int,
    field_of_view: float,
    most_voxel_mm: float,
    corrections: Mapping[str, int],
) -> tuple[Framed, Report, str]:
    """Read and check a scan; return it in the common frame, what the checks found, and its SHA-256.

    corrections: `bias_field` and `denoising`, as `cleaning.clean` takes them. Raises CohortError, which names
    person, file and remedy.
    """
    where = f"person {scan.person}, session {scan.session}"
    native, brain = read_scan(scan.image, scan.brain, who=where)
    values = native.values
    upright = [reorient(Stored(data, native.geometry, native.header)) for data in (values, brain)]
    report = check_head(
        upright[0].data,
        upright[1].data,
        replace(native.geometry, affine=upright[0].affine),
        where=f"{where}: {scan.image}",
        most_voxel_mm=most_voxel_mm,
    )
    cleaned = clean(values, brain, spacing_of(native.affine), **corrections)
    masked = np.where(brain, cleaned.values, 0)
    place = find_place(masked, brain, native.affine, side=side, field_of_view=field_of_view)
    place = place.with_bias(cleaned.bias, native.affine)
    framed = frame(cleaned.values, brain, native.affine, place)
    report = replace(report, warnings=(*report.warnings, *find_cut(framed)))
    for warning in report.warnings:
        log.warning("%s: %s", where, warning)
    return framed, report, digest_voxels(native)


def find_cut(framed: Framed) -> list[str]:
    """Return a warning where the head reaches out of the cube, other than below: the cube is too small."""
    sides = {"left": (0, 0), "right": (0, -1), "back": (1, 0), "front": (1, -1), "top": (2, -1)}
    most = _MOST_CUT * framed.place.side**2
    cut = [name for name, (axis, end) in sides.items() if (framed.image.take(end, axis) >= SKIN).sum() > most]
    if not cut:
        return []
    return [f"the head reaches out of the common cube ({', '.join(cut)}). Remedy: raise deid.field_of_view"]


def digest_voxels(scan: Native) -> str:
    """Return the SHA-256 of a scan's intensities in RAS.

    A copy has the same, be it under another name, of another type, or with its axes in another order.
    """
    upright = reorient(Stored(scan.values, scan.geometry, scan.header)).data
    return hashlib.sha256((upright.astype(np.float32) + 0.0).tobytes()).hexdigest()


def write_report(path: Path, scan: HeadScan, report: Report, digest: str) -> None:
    """Write what the checks found of a scan as JSON."""
    record = {"person": scan.person, "session": scan.session, "sha256": digest} | asdict(report)
    with atomic_path(path) as partial:
        partial.write_text(json.dumps(record, indent=1) + "\n")


def make_gamma(framed: Framed, *, seed: int, name: str, settings: Mapping[str, float]) -> Gamma:
    """Return the paper's privacy transform of a framed scan; `settings`: rotations, planes, level.

    name: cohort and scan, which the draws follow. Raises CohortError, which has it, where there is no hull.
    """
    random = np.random.default_rng(derive(seed, "gamma", name))
    try:
        return transform(framed.image, framed.brain, random, **settings)
    except CohortError as problem:
        raise CohortError(f"scan {name} {problem}.") from problem
