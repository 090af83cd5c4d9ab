"""The outcome of a scan's check as data, so that one faulty scan does not hide the faults of others."""

import logging
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from PIL import Image

from privessel.cohort.nifti import Stored, read_stored, reorient
from privessel.cohort.picture import draw_slices
from privessel.deid.intake import check_head
from privessel.deid.likeness import describe_likeness
from privessel.deid.native import read_scan
from privessel.deid.preparation import digest_voxels
from privessel.errors import CohortError
from privessel.study.head_scans import HeadScan

log = logging.getLogger(__name__)


def check(scan: HeadScan, *, most_voxel_mm: float) -> dict:
    """Return what `intake/{cohort}/{scan}.json` holds of a scan; problems and warnings are logged as well.

    most_voxel_mm: the largest side of a voxel. Both lists hold sentences with person and file, problems with
    their remedy too. A scan without problems can be used, and has the SHA-256 of its intensities, what
    `intake.Report` says of it, and what `likeness.describe_likeness` does.
    """
    outcome = {"person": scan.person, "session": scan.session, "problems": [], "warnings": []}
    where = f"person {scan.person}, session {scan.session}"
    try:
        native, brain = read_scan(scan.image, scan.brain, who=where)
        where = f"{where}: {scan.image}"
        values, mask = (
            reorient(Stored(data, native.geometry, native.header)) for data in (native.values, brain)
        )
        report = check_head(
            values.data,
            mask.data,
            replace(native.geometry, affine=values.affine),
            where=where,
            most_voxel_mm=most_voxel_mm,
        )
        warnings = [f"{where}: {warning}." for warning in report.warnings]
        outcome |= asdict(report) | {"warnings": warnings, "sha256": digest_voxels(native)}
        outcome |= describe_likeness(values.data.astype(np.float32))
    except CohortError as error:
        outcome["problems"].append(str(error))
        log.warning("cannot be used: %s", error)
    for warning in outcome["warnings"]:
        log.warning("%s", warning)
    return outcome


def draw_source(scan: HeadScan) -> Image.Image:
    """Return slices of a scan as its file has them, the brain outlined in blue, of what can be shown.

    The person's right is on the left, and so is the front in the third view.
    """
    return draw_slices({"image": _read(scan.image), "brain": _read(scan.brain)})


def _read(path: str) -> Stored | CohortError:
    try:
        return read_stored(Path(path))
    except CohortError as error:
        return error
