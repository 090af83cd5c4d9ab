"""One picture a scan for a look by eye: the head in its frame, outlines of brain and hull, and renderings."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from privessel.cohort.picture import MARK
from privessel.deid.frame import Framed
from privessel.deid.gamma import Gamma
from privessel.deid.render import shade

SIDE = 256  # pixels of each view
_BRAIN, _HULL = (70, 160, 235), (255, 106, 61)


def draw_scan(framed: Framed, gamma: Gamma) -> Image.Image:
    """Return three slices through the brain's middle and two renderings, side by side.

    The brain mask is outlined in blue, the paper's hull in orange. The person's right is on the left. Each
    view carries the words `inside only`, since a face can be recognised in one that is cut out and sent on.
    """
    return _mark(draw_views(framed.image, framed.brain, gamma.hull))


def draw_released(
    source: NDArray, released: NDArray, brain: NDArray[np.bool_], hull: NDArray[np.bool_]
) -> Image.Image:
    """Return a scan and what leaves of it, the source above: slices and renderings as in `draw_scan`.

    source, released: intensities (S, S, S) in the cube, 1 the brightest. brain: its mask, outlined in blue.
    hull: the shielded one, in orange.
    """
    rows = [draw_views(image, brain, hull) for image in (source, released)]
    return _mark(np.concatenate(rows, axis=0))


def draw_views(image: NDArray, brain: NDArray[np.bool_], hull: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return three slices through the brain's middle and two renderings of an image (S, S, S), as pixels."""
    middle = np.rint(np.argwhere(brain).mean(0)).astype(int)
    views = [_draw_slice(image, brain, hull, (axis, place)) for axis, place in enumerate(middle)]
    views += [_enlarge(shade(image, yaw=yaw, pixels=SIDE)) for yaw in (0.0, -35.0)]
    return np.concatenate(views, axis=1)


def _mark(pixels: NDArray[np.uint8]) -> Image.Image:
    """Write `inside only` into every view."""
    picture = Image.fromarray(pixels)
    rows, columns = (side // SIDE for side in pixels.shape[:2])
    for row, column in ((row, column) for row in range(rows) for column in range(columns)):
        at, white = (4 + column * SIDE, (row + 1) * SIDE - 4), (255, 255, 255)
        ImageDraw.Draw(picture).text(at, MARK, fill=white, anchor="ls", stroke_width=1, stroke_fill=(0, 0, 0))
    return picture


def _draw_slice(
    image: NDArray, brain: NDArray[np.bool_], hull: NDArray[np.bool_], cut: tuple[int, int]
) -> NDArray[np.uint8]:
    """Return a slice as pixels; `cut` is its axis and its place along it."""
    axis, place = cut
    shown, inner, outer = (volume.take(place, axis) for volume in (image, brain, hull))
    pixels = _enlarge(_upright((255 * np.clip(shown, 0, 1)).astype(np.uint8), axis))
    for mask, colour in ((outer, _HULL), (inner, _BRAIN)):
        pixels[_outline(_enlarge(_upright(mask.astype(np.uint8), axis))[..., 0] > 0)] = colour
    return pixels


def _upright(plane: NDArray, axis: int) -> NDArray:
    """Turn a plane of a RAS volume into screen rows: up is up, the person's right or front on the left."""
    return plane.T[::-1, ::-1]


def _outline(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    inner = mask.copy()
    inner[1:-1, 1:-1] &= mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    return mask & ~inner


def _enlarge(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a grey picture as SIDE x SIDE pixels in colours."""
    large = Image.fromarray(np.ascontiguousarray(picture)).resize((SIDE, SIDE), Image.Resampling.NEAREST)
    return np.repeat(np.asarray(large)[..., None], 3, axis=2).copy()
