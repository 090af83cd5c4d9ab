"""What others do to a face, on a head in the common cube: blurring, masking, removing, and an average face.

These are few lines each in the manner of the published tools, at the cube's resolution, and not those tools:
Milchenko and Marcus 2013 (face mask), Bischoff-Grethe et al. 2007 (deface), Schimke et al. 2011 (quickshear),
Segonne et al. 2004 (watershed, of which only the result is imitated: the brain alone), and Schwarz et al.
2019 (an average face). All take image (S, S, S) in [0, 1] and brain mask, and return a new image.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, distance_transform_edt, gaussian_filter
from scipy.spatial import ConvexHull

from privessel.deid.intake import find_head

# Shares of the side of the volume, which is 256 mm.
_SHELL_IN, _SHELL_OUT = 0.05, 0.035  # 12 mm inside and 8 mm outside of the skin are smeared by the face mask
_SMEAR = 0.05
_KEPT_DEFACE, _KEPT_REFACE, _KEPT_SHEAR = 0.09, 0.06, 0.04  # distance from the brain that stays as it was
_SHEAR_NORMAL = np.array([0.75, -0.66])  # of quickshear's plane: to the front and down
_HULL_FILL = 0.5  # grey of soft tissue


def face_region(brain: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return where the face is: in front of the brain's front quarter, up to the brow and before it."""
    places = np.argwhere(brain)
    low, high = places.min(0), places.max(0)
    depth, height = (high - low)[1:]
    y, z = np.arange(brain.shape[1])[None, :, None], np.arange(brain.shape[2])[None, None, :]
    brow = low[2] + 0.42 * height
    face = (y > low[1] + 0.75 * depth) & (z < brow)
    before = (y > high[1] - 0.05 * depth) & (z < brow + 0.1 * brain.shape[2])
    return np.broadcast_to(face | before, brain.shape)


def mask_face(image: NDArray, brain: NDArray[np.bool_]) -> NDArray:
    """Smear a layer around the skin of the face."""
    side = len(image)
    head = find_head(image, brain)
    inside, outside = distance_transform_edt(head), distance_transform_edt(~head)
    shell = np.where(head, inside < _SHELL_IN * side, outside < _SHELL_OUT * side) & face_region(brain)
    shell &= ~binary_dilation(brain, iterations=max(1, side // 32))
    smeared = np.clip(1.3 * gaussian_filter(image, _SMEAR * side), 0, 1)
    return np.where(shell, smeared, image)


def remove_face(image: NDArray, brain: NDArray[np.bool_]) -> NDArray:
    """Remove the face but for what is near the brain."""
    near = distance_transform_edt(~brain) < _KEPT_DEFACE * len(image)
    return np.where(face_region(brain) & ~near, 0, image)


def shear(image: NDArray, brain: NDArray[np.bool_]) -> NDArray:
    """Remove all beyond a plane that touches the brain's sagittal shadow from the front and below."""
    normal = _SHEAR_NORMAL / np.linalg.norm(_SHEAR_NORMAL)
    shadow = np.argwhere(brain.any(0))
    corners = shadow[ConvexHull(shadow).vertices]
    beyond = (corners @ normal).max() + _KEPT_SHEAR * len(image)
    y, z = np.arange(image.shape[1])[None, :, None], np.arange(image.shape[2])[None, None, :]
    return np.where(np.broadcast_to(normal[0] * y + normal[1] * z > beyond, image.shape), 0, image)


def keep_brain(image: NDArray, brain: NDArray[np.bool_]) -> NDArray:
    """Remove everything but the brain."""
    return np.where(brain, image, 0)


def reface(image: NDArray, brain: NDArray[np.bool_], average: NDArray) -> NDArray:
    """Put the `average` head of public people (S, S, S) in the place of the face."""
    front = np.argwhere(brain)[:, 1].max() + 0.02 * len(image)
    region = face_region(brain) | (np.arange(len(image))[None, :, None] > front)
    near = distance_transform_edt(~brain) < _KEPT_REFACE * len(image)
    return np.where(region & ~near, average, image)


def fill_hull(image: NDArray, brain: NDArray[np.bool_], hull: NDArray[np.bool_]) -> NDArray:
    """Show what the privacy transform tells: the hull, filled evenly, and the brain in it."""
    return np.where(brain, image, np.float32(_HULL_FILL) * hull)
