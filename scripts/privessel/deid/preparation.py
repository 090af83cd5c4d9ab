"""From a scan's files to its head in the common frame and the paper's privacy transform of it."""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from privessel.cohort.nifti import Stored, reorient
from privessel.deid.frame import Framed, find_place, frame
from privessel.deid.gamma import Gamma, transform
from privessel.deid.intake import Report, check_head
from privessel.deid.native import Native, read_brain, read_native
from privessel.errors import CohortError
from privessel.files.atomic import atomic_path
from privessel.seeds import derive
from privessel.study.head_scans import HeadScan

log = logging.getLogger(__name__)


def prepare(
    scan: HeadScan, *, side: int, field_of_view: float, most_voxel_mm: float
) -> tuple[Framed, Report, str]:
    """Read and check a scan; return it in the common frame, what the checks found, and its SHA-256.

    The digest is of the stored values, so that a copy under another name has the same. Raises CohortError,
    which names person, file and remedy.
    """
    where = f"person {scan.person}, session {scan.session}"
    try:
        path = scan.image
        native = read_native(Path(path))
        path = scan.brain
        brain = read_brain(Path(path), native)
    except CohortError as problem:
        raise CohortError(f"{where}: {path} {problem}.") from problem
    values = native.values
    upright = [reorient(Stored(data, native.geometry, native.header)) for data in (values, brain)]
    report = check_head(
        upright[0].data,
        upright[1].data,
        replace(native.geometry, affine=upright[0].affine),
        where=f"{where}: {scan.image}",
        most_voxel_mm=most_voxel_mm,
    )
    for warning in report.warnings:
        log.warning("%s: %s", where, warning)
    masked = np.where(brain, values, 0)
    place = find_place(masked, brain, native.affine, side=side, field_of_view=field_of_view)
    return frame(values, brain, native.affine, place), report, digest_voxels(native)


def digest_voxels(scan: Native) -> str:
    """Return the SHA-256 of a scan's stored values, which a copy under another name has, too."""
    return hashlib.sha256(np.ascontiguousarray(scan.stored).tobytes()).hexdigest()


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
