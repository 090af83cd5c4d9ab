"""The last check of a de-identified scan: it is read back and compared with its source, or it does not exist.

The file is written under a temporary name. Only what was read back from the disk and passed every check gets
its name; if any check fails, there is no file.
"""

import gzip
import io
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from privessel.cohort.nifti import UNREADABLE, decode_image
from privessel.deid.compose import fill_grid
from privessel.deid.frame import Place, to_cube
from privessel.deid.headers import build_image, find_extra
from privessel.deid.native import Native, read_native
from privessel.deid.render import SKIN, measure_depth
from privessel.errors import CohortError, raise_problems
from privessel.files.atomic import atomic_path

MOST_EQUAL = 0.01  # share of the source's head, beside the brain, whose stored values may be unchanged
CHANCES = 2  # so many times what two heads with these grey values have in common by chance is allowed, too
MOST_ALIKE = 0.8  # correlation of the two faces' depths, each beside the average face
_FEW = 50  # pixels of a face, below which a correlation says nothing
_LEVEL = 6  # of compression
_GZIP_PLAIN = b"\x1f\x8b\x08\x00\x00\x00\x00\x00"  # no name, no comment, no time


def write_verified(
    path: Path,
    output: NDArray,
    scan: Native,
    brain: NDArray[np.bool_],
    *,
    place: Place,
    hull: NDArray[np.bool_],
    average: NDArray[np.float32],
    who: str,
) -> None:
    """Write a de-identified scan, read it back, and keep it only if every check passes.

    output: stored values (x, y, z). hull: (S, S, S) in the cube at `place`, the shielded one. average: depth
    of the average face (S, S), seen from the front in that cube, of public heads. who: the person, for
    messages. Raises CohortError that lists what failed, with the remedy; there is no file then.
    """
    with atomic_path(path) as partial:
        partial.write_bytes(pack_scan(output, scan.header, slope=scan.slope, intercept=scan.intercept))
        problems = find_problems(partial, scan, brain, place=place, hull=hull, average=average)
        remedy = (
            "It was not written. Remedy: look at its QC pictures; if they show nothing that you can correct, "
            "leave the scan out (deid.release.left_out)"
        )
        try:
            raise_problems(f"{who}: the de-identified scan failed its last check", problems)
        except CohortError as problem:
            raise CohortError(f"{problem} {remedy}") from None


def pack_scan(stored: NDArray, source: nib.Nifti1Header, *, slope: float, intercept: float) -> bytes:
    """Return the bytes of a file with these stored values (x, y, z) on the grid of a header, and no more.

    Equal values, grids and scales give equal bytes.
    """
    image = build_image(stored, source, slope=slope, intercept=intercept)
    packed = io.BytesIO()
    with gzip.GzipFile("", "wb", _LEVEL, packed, mtime=0) as file:
        file.write(image.to_bytes())
    return packed.getvalue()


def find_problems(
    path: Path,
    scan: Native,
    brain: NDArray[np.bool_],
    *,
    place: Place,
    hull: NDArray[np.bool_],
    average: NDArray[np.float32],
) -> list[str]:
    """Return what is wrong with the de-identified scan in the file `path`, given its source `scan`.

    hull, average: as `write_verified` has them.
    """
    packed = path.read_bytes()
    problems = []
    if packed[:8] != _GZIP_PLAIN:
        problems.append("its gzip header has a name, a comment or a time")
    try:
        extra = find_extra(decode_image(gzip.decompress(packed)).header)
        written = read_native(path)
    except (CohortError, *UNREADABLE) as problem:
        return [*problems, f"it cannot be read back ({problem})"]
    if extra:
        problems.append(f"its header has more than it may: {', '.join(extra)}")
    if written.stored.shape != scan.stored.shape or not np.allclose(written.affine, scan.affine, atol=1e-4):
        return [*problems, "it lies on another grid than its source"]
    same_scale = np.allclose([written.slope, written.intercept], [scan.slope, scan.intercept], rtol=1e-6)
    # A file is written in the machine's own byte order, whatever its source had.
    if written.stored.dtype.newbyteorder("=") != scan.stored.dtype.newbyteorder("=") or not same_scale:
        problems.append("its values are stored in another type or on another scale than its source's")
    if not np.array_equal(written.stored[brain], scan.stored[brain]):
        problems.append("its brain is not the source's, voxel by voxel")
    if outside := count_outside(written, brain, place, hull):
        problems.append(f"{outside} voxels outside of the shielded hull are not air")
    share, chance = equal_share(written, scan, brain, place)
    if share > MOST_EQUAL + CHANCES * chance:
        problems.append(f"{share:.1%} of the head beside the brain is as in the source")
    if (alike := compare_faces(written, scan, place, average)) > MOST_ALIKE:
        problems.append(f"its face is like the source's: depths correlate by {alike:.2f}")
    return problems


def count_outside(written: Native, brain: NDArray[np.bool_], place: Place, hull: NDArray[np.bool_]) -> int:
    """Return how many voxels are not air, though neither the brain nor the hull (S, S, S) reaches them."""
    inside = fill_grid(hull, place, written.affine, written.stored.shape) | brain
    return int((written.stored != written.as_stored(np.zeros(1))[0])[~inside].sum())


def equal_share(written: Native, scan: Native, brain: NDArray[np.bool_], place: Place) -> tuple[float, float]:
    """Return the share of the source's head, without the brain, where the stored value is unchanged.

    The second number is what it would be by chance, if the same values lay anywhere in the head: with few
    grey levels, two heads have more in common.
    """
    head = (scan.values >= SKIN * place.scale) & ~brain
    if not head.any():
        return 0.0, 0.0
    own, other = scan.stored[head], written.stored[head]
    levels, places = np.unique(np.concatenate([own, other]), return_inverse=True)
    counts = [np.bincount(part, minlength=len(levels)) / len(own) for part in np.split(places, 2)]
    return float((own == other).mean()), float(counts[0] @ counts[1])


def compare_faces(written: Native, scan: Native, place: Place, average: NDArray[np.float32]) -> float:
    """Return the correlation of what both faces' depths are beside the average face's, from the front.

    Only pixels at which all three show a head count; the share that an average face explains is no likeness.
    """
    depths = [measure_depth(to_cube(one.values / place.scale, one.affine, place)) for one in (written, scan)]
    far = 0.6 * place.side
    seen = np.all([depth < far for depth in (*depths, average)], axis=0)
    if seen.sum() < _FEW:
        return 0.0
    one, other = (depth[seen] - average[seen] for depth in depths)
    if min(one.std(), other.std()) < 1e-6:
        return 0.0
    return float(np.corrcoef(one, other)[0, 1])


def write_defacing_mask(path: Path, changed: NDArray[np.uint8], scan: Native) -> None:
    """Write where voxels were replaced (1), on the scan's grid."""
    with atomic_path(path) as partial:
        partial.write_bytes(pack_scan(changed, scan.header, slope=1.0, intercept=0.0))
