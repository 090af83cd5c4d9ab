"""From a scan's files to its head in the common frame and the paper's privacy transform of it."""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from privessel.cohort.geometry import canonical_affine, find_axes
from privessel.cohort.nifti import Stored, reorient
from privessel.deid.frame import Framed, find_place, frame
from privessel.deid.gamma import Gamma, transform
from privessel.deid.intake import Report, check_head
from privessel.deid.native import read_brain, read_native
from privessel.errors import CohortError
from privessel.files.atomic import atomic_path
from privessel.seeds import derive

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ScanFiles:
    """One scan: person, session, and the files of image and brain mask."""

    person: str
    session: str
    image: Path
    brain: Path

    @property
    def name(self) -> str:
        """The scan's name in paths."""
        return f"{self.person}_{self.session}"


def prepare(
    files: ScanFiles, *, side: int, field_of_view: float, most_voxel_mm: float
) -> tuple[Framed, Report, str]:
    """Read and check a scan; return it in the common frame, what the checks found, and its SHA-256.

    The digest is of the stored values, so that a copy under another name has the same. Raises CohortError,
    which names person, file and remedy.
    """
    where = f"person {files.person}, session {files.session}"
    try:
        path = files.image
        scan = read_native(path)
        path = files.brain
        brain = read_brain(path, scan)
    except CohortError as problem:
        raise CohortError(f"{where}: {path} {problem}.") from problem
    values, mask = (reorient(Stored(data, scan.geometry, scan.header)).data for data in (scan.values, brain))
    upright = canonical_affine(scan.affine, find_axes(scan.affine), scan.stored.shape)
    report = check_head(
        values,
        mask,
        replace(scan.geometry, affine=upright),
        where=f"{where}: {files.image}",
        most_voxel_mm=most_voxel_mm,
    )
    for warning in report.warnings:
        log.warning("%s: %s", where, warning)
    masked = np.where(brain, scan.values, 0)
    place = find_place(masked, brain, scan.affine, side=side, field_of_view=field_of_view)
    digest = hashlib.sha256(np.ascontiguousarray(scan.stored).tobytes()).hexdigest()
    return frame(scan.values, brain, scan.affine, place), report, digest


def write_report(path: Path, files: ScanFiles, report: Report, digest: str) -> None:
    """Write what the checks found of a scan as JSON."""
    record = {"person": files.person, "session": files.session, "sha256": digest} | asdict(report)
    with atomic_path(path) as partial:
        partial.write_text(json.dumps(record, indent=1) + "\n")


def make_gamma(framed: Framed, *, seed: int, name: str, settings: Mapping[str, float]) -> Gamma:
    """Return the paper's privacy transform of a framed scan; `settings`: rotations, planes, level."""
    return transform(
        framed.image, framed.brain, np.random.default_rng(derive(seed, "gamma", name)), **settings
    )
