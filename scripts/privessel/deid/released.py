"""One head that may leave: from a scan and what was made of it to verified files."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from privessel.cohort.picture import save_picture
from privessel.deid.compose import changed_region, compose
from privessel.deid.frame import Framed, Place, to_cube
from privessel.deid.native import Native, read_scan
from privessel.deid.preparation import digest_voxels
from privessel.deid.qc import draw_released
from privessel.deid.render import measure_depth
from privessel.deid.sidecar import write_sidecar
from privessel.deid.verify import pack_scan, write_defacing_mask, write_verified
from privessel.errors import CohortError
from privessel.files.atomic import atomic_path
from privessel.files.reading import read_array
from privessel.study.head_scans import HeadScan

log = logging.getLogger(__name__)

NIFTI = (".nii.gz", ".nii")


@dataclass(frozen=True)
class Parts:
    """What was made of a scan, all in its cube (S, S, S) but for the digest.

    frame: the file of its frame. generated: the head that a GAN has made, in [0, 1]. hull: the shielded one.
    average: the average head of public people. digest: SHA-256 of the stored values that were checked.
    """

    frame: Path
    generated: NDArray[np.float32]
    hull: NDArray[np.bool_]
    average: NDArray[np.float32]
    digest: str

    @classmethod
    def read(cls, files: dict[str, Path], *, scan: str, digest: str) -> "Parts":
        """Read the files `frame`, `made`, `hulls` and `average` of a scan; raises DamagedError."""
        return cls(
            frame=files["frame"],
            generated=read_array(files["made"], "image"),
            hull=read_array(files["hulls"], scan),
            average=read_array(files["average"], "image"),
            digest=digest,
        )


@dataclass(frozen=True)
class Source:
    """A scan on its own grid, with its brain mask, and the place of its cube."""

    scan: Native
    brain: NDArray[np.bool_]
    place: Place


def write_head(
    scan: HeadScan, parts: Parts, *, image: Path, mask: Path, sidecar: Path, picture: Path
) -> None:
    """Write a scan's head as it may leave: image, defacing mask and sidecar; and a picture that stays inside.

    The picture is written first, because whoever reads that a check failed needs it. Raises CohortError that
    names person, file and remedy where source and parts do not belong together, or where the written file
    fails a check (`verify.write_verified`): there is no image then.
    """
    who = f"person {scan.person}, session {scan.session}"
    source = read_source(scan, parts, who=who)
    kept = write_sidecar(read_sidecar(scan.image, who=who))
    output = compose(source.scan, source.brain, parts.generated, parts.hull, source.place)
    save_picture(picture, draw_released(*_in_cube(source, output), _brain_in_cube(source), parts.hull))
    write_verified(
        image,
        output,
        source.scan,
        source.brain,
        place=source.place,
        hull=parts.hull,
        average=measure_depth(parts.average),
        who=who,
    )
    write_defacing_mask(mask, changed_region(source.brain), source.scan)
    with atomic_path(sidecar) as partial:
        partial.write_text(kept, encoding="utf-8")
    log.info("%s: the head on the scanner's grid passed every check", who)


def make_files(scan: HeadScan, parts: Parts) -> dict[str, bytes]:
    """Return the bytes of `image`, `mask` and `sidecar` that `write_head` writes; CohortError as it raises.

    A release compares its files with them, because nothing in a file tells which head and hull it is of.
    """
    who = f"person {scan.person}, session {scan.session}"
    source = read_source(scan, parts, who=who)
    native = source.scan
    output = compose(native, source.brain, parts.generated, parts.hull, source.place)
    return {
        "image": pack_scan(output, native.header, slope=native.slope, intercept=native.intercept),
        "mask": pack_scan(changed_region(source.brain), native.header, slope=1.0, intercept=0.0),
        "sidecar": write_sidecar(read_sidecar(scan.image, who=who)).encode(),
    }


def read_source(scan: HeadScan, parts: Parts, *, who: str) -> Source:
    """Read a scan and its mask again; CohortError where they are not what the parts were made of."""
    native, brain = read_scan(scan.image, scan.brain, who=who)
    framed = Framed.load(parts.frame)
    source = Source(native, brain, framed.place)
    again = "Remedy: run the same command again, so that it is checked and framed anew"
    if digest_voxels(native) != parts.digest:
        raise CohortError(f"{who}: {scan.image} is not the scan that was checked. {again}.")
    if not np.array_equal(_brain_in_cube(source), framed.brain):
        raise CohortError(f"{who}: {scan.brain} is not the mask that the scan was framed by. {again}.")
    generated, side = parts.generated, framed.place.side
    if generated.shape != (side,) * 3 or parts.hull.shape != (side,) * 3:
        raise CohortError(
            f"{who}: the made head has the shape {generated.shape} and its hull {parts.hull.shape}, but the "
            f"cube has {side} voxels a side. Remedy: remove both files, so that they are made anew."
        )
    if not (np.isfinite(generated).all() and generated.min() >= 0 and generated.max() <= 1):
        raise CohortError(
            f"{who}: the made head holds values outside of 0 to 1. Remedy: remove its file, so that it is "
            "made anew."
        )
    return source


def read_sidecar(image: str, *, who: str) -> dict:
    """Return the BIDS sidecar beside a scan, {} where there is none; CohortError for no JSON object."""
    stem = next((image.removesuffix(end) for end in NIFTI if image.endswith(end)), image)
    path = Path(f"{stem}.json")
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as problem:
        raise CohortError(
            f"{who}: {path} is no JSON ({problem}). Remedy: export it again, or remove it."
        ) from None
    if not isinstance(content, dict):
        raise CohortError(f"{who}: {path} is no JSON object. Remedy: export it again, or remove it.")
    return content


def _brain_in_cube(source: Source) -> NDArray[np.bool_]:
    """Return the brain mask in the cube, as `frame.frame` has it."""
    return to_cube(source.brain.astype(np.float32), source.scan.affine, source.place) >= 0.5


def _in_cube(source: Source, output: NDArray) -> tuple[NDArray, NDArray]:
    """Return the scan and stored values `output` on its grid as intensities in the cube, 1 the brightest."""
    scan, place = source.scan, source.place
    values = (scan.values, output * np.float64(scan.slope) + scan.intercept)
    return tuple(to_cube(one / place.scale, scan.affine, place) for one in values)
