"""Faces as numbers: depths of heads from several sides, before and after each method, for attacks on them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter

from privessel.deid.frame import Framed
from privessel.deid.gamma import Gamma
from privessel.deid.removal import fill_hull, keep_brain, mask_face, reface, remove_face, shear
from privessel.deid.render import measure_depth
from privessel.deid.tools import apply_tool, is_tool
from privessel.files.arrays import write_arrays
from privessel.files.reading import read_arrays, reading
from privessel.study.names import BLURRED, ORIGINAL

# The words of the identification study: attackers, what they see, and what they are asked with.
ATTACKERS = ("l1", "fisherface", "adaptive")
VIEWS, QUERIES = ("photo", "metric"), ("same-scan", "other-visit")
FLOOR = "watershed"
REMOVALS = {
    "face-mask": mask_face,
    "deface": remove_face,
    "quickshear": shear,
    FLOOR: keep_brain,
}
FAR = 0.6  # of the side, beyond which a ray has missed the face
_BLUR = 0.047  # of the side, SD of the blurred control's pictures (the paper: mildly blurred)
_PHOTO_SIZE = 0.55  # of the side: root of a silhouette's area, once it is scaled as photographs are
_FEW = 10  # pixels of a silhouette, below which there is no face


@dataclass(frozen=True)
class Faces:
    """Depths of scans after one method: `depths` (scans, yaws, S, S) in voxels, and whose they are."""

    depths: NDArray[np.float32]
    people: tuple[str, ...]
    sessions: tuple[str, ...]

    def save(self, path: Path) -> None:
        """Write as .npz."""
        write_arrays(path, depths=self.depths, people=self.people, sessions=self.sessions)

    @classmethod
    def load(cls, path: Path) -> "Faces":
        """Read what `save` has written; raises DamagedError."""
        arrays = read_arrays(path)
        with reading(path):
            return cls(arrays["depths"], *(tuple(map(str, arrays[name])) for name in ("people", "sessions")))


def apply_method(method: str, scan: Framed, *, average: NDArray, gamma: Gamma | None) -> NDArray:
    """Return the head (S, S, S) that `method` makes of a scan.

    method: original, blurred, one of REMOVALS, reface, a tool's, or a kind of hull, for which `gamma` is what
    it makes of the scan. average: the average head of public people. Raises ValueError for a hull without it.
    """
    if method in (ORIGINAL, BLURRED):
        return scan.image
    if method in REMOVALS:
        return REMOVALS[method](scan.image, scan.brain)
    if method == "reface":
        return reface(scan.image, scan.brain, average)
    if is_tool(method):
        return apply_tool(method, scan, average)
    if gamma is None:
        raise ValueError(f"{method} is no method that removes a face, and there is no hull for it")
    return fill_hull(gamma.masked_brain, gamma.brain, gamma.hull)


def measure_face(head: NDArray, *, yaws: tuple[float, ...], blurred: bool) -> NDArray[np.float32]:
    """Return a head's depths from several sides (yaws, S, S), at most FAR of the side."""
    far = FAR * len(head)
    depths = [np.minimum(measure_depth(head, yaw=yaw), far) for yaw in yaws]
    if blurred:
        depths = [gaussian_filter(depth, _BLUR * len(head)) for depth in depths]
    return np.stack(depths).astype(np.float32)


def as_photographs(depths: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return depths (scans, yaws, S, S) as a photograph has them: without millimetres and scanner's frame.

    Each view is centred on its silhouette and scaled to the same area, and its depth is taken from its own
    median. A view without a face becomes even.
    """
    side = depths.shape[-1]
    pictures = np.full_like(depths, side / 3)
    for place in np.ndindex(depths.shape[:2]):
        view = depths[place]
        seen = view < FAR * side - 0.5
        if seen.sum() < _FEW:
            continue
        scale = np.sqrt(seen.sum()) / (_PHOTO_SIZE * side)
        relief = np.where(
            seen, np.clip((view - np.median(view[seen])) / scale, -side / 3, side / 3), side / 3
        )
        corner = np.argwhere(seen).mean(0) - scale * (side - 1) / 2
        pictures[place] = affine_transform(relief, [scale, scale], corner, order=1, mode="nearest")
    return pictures
