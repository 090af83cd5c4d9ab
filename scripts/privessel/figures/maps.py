"""What the error maps show, as arrays: right and wrong voxels, slices worth showing, coloured pictures."""

from collections.abc import Sequence

import numpy as np
import scipy  # loads scipy.ndimage only when it is used, which drawing a figure does not

from privessel.figures.style import upright

TRUE_POSITIVE, FALSE_POSITIVE, FALSE_NEGATIVE = 1, 2, 3
# The paper's red, green and yellow, in shades of rising lightness: apart without colour vision, too.
COLOURS = np.array([[0, 0, 0], [214, 20, 20], [40, 190, 90], [255, 236, 60]], np.uint8)
_GREY = 145  # brightest grey of the slice under the colours
_FARTHEST = 0.45  # brightness of the voxel farthest from the viewer, 1 being the nearest
# A slice with fewer vessel voxels than this share of the fullest slice's is shown as neither big nor small.
_ENOUGH = 0.25


def classify(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """Return 0 background, 1 true positive, 2 false positive, 3 false negative for two masks of one shape."""
    truth, prediction = np.asarray(truth, bool), np.asarray(prediction, bool)
    return np.select(
        [truth & prediction, prediction, truth], [TRUE_POSITIVE, FALSE_POSITIVE, FALSE_NEGATIVE], 0
    ).astype(np.uint8)


def fullest_slice(truth: np.ndarray) -> int:
    """Return the z of the axial slice with the most vessel voxels of `truth` (x, y, z)."""
    return int(np.argmax(truth.sum(axis=(0, 1))))


def big_and_small_slice(truth: np.ndarray, *, spacing: Sequence[float]) -> tuple[int, int]:
    """Return z of the axial slices with the widest and with the narrowest vessels.

    Width is the mean over a slice's vessel voxels of their distance in mm to the nearest voxel outside (3-D).
    Slices with fewer than a quarter of the fullest slice's vessel voxels do not compete.
    """
    voxels = truth.sum(axis=(0, 1))
    distance = scipy.ndimage.distance_transform_edt(truth, sampling=spacing)
    width = distance.sum(axis=(0, 1)) / np.maximum(voxels, 1)
    competing = voxels >= max(1, _ENOUGH * voxels.max())
    if not competing.any():
        return 0, 0
    return int(np.argmax(np.where(competing, width, -1))), int(np.argmin(np.where(competing, width, np.inf)))


def content_box(*masks: np.ndarray) -> tuple[slice, ...]:
    """Return the box around all that is true in any mask; everything where nothing is."""
    boxes = scipy.ndimage.find_objects(np.logical_or.reduce(masks).astype(np.uint8))
    return boxes[0] if boxes else tuple(slice(None) for _ in masks[0].shape)


def overlay(image: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Colour the errors (x, y) over the grey image (x, y); returns screen rows, uint8 RGB."""
    inside = image != 0
    # Colours cover the vessels, so the grey range ends below their brightness and tissue gets the contrast.
    low, high = np.percentile(image[inside], [0.5, 98]) if inside.any() else (0.0, 1.0)
    grey = np.clip((image - low) / max(high - low, np.finfo(np.float32).tiny), 0, 1) * _GREY * inside
    picture = np.repeat(grey.astype(np.uint8)[..., None], 3, axis=2)
    picture[codes > 0] = COLOURS[codes[codes > 0]]
    return upright(picture)


def project(codes: np.ndarray, *, axis: int) -> np.ndarray:
    """Project errors (x, y, z), seen from the left (axis 0), the front (1) or below (2), on screen rows."""
    towards = codes[:, ::-1] if axis == 1 else codes
    depth = np.argmax(towards > 0, axis=axis)
    front = np.take_along_axis(towards, np.expand_dims(depth, axis), axis).squeeze(axis)
    hit = front > 0
    nearest, farthest = (depth[hit].min(), depth[hit].max()) if hit.any() else (0, 0)
    shade = 1 - (1 - _FARTHEST) * (depth - nearest) / max(farthest - nearest, 1)
    picture = np.where(hit[..., None], COLOURS[front] * shade[..., None], 0).astype(np.uint8)
    return upright(picture)
