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
    middle = np.rint(np.argwhere(framed.brain).mean(0)).astype(int)
    views = [_draw_slice(framed, gamma, axis, place) for axis, place in enumerate(middle)]
    views += [_enlarge(shade(framed.image, yaw=yaw, pixels=SIDE)) for yaw in (0.0, -35.0)]
    picture = Image.fromarray(np.concatenate(views, axis=1))
    for place in range(len(views)):
        at, white = (4 + place * SIDE, SIDE - 4), (255, 255, 255)
        ImageDraw.Draw(picture).text(at, MARK, fill=white, anchor="ls", stroke_width=1, stroke_fill=(0, 0, 0))
    return picture


def _draw_slice(framed: Framed, gamma: Gamma, axis: int, place: int) -> NDArray[np.uint8]:
    image, brain, hull = (volume.take(place, axis) for volume in (framed.image, framed.brain, gamma.hull))
    pixels = _enlarge(_upright((255 * np.clip(image, 0, 1)).astype(np.uint8), axis))
    for mask, colour in ((hull, _HULL), (brain, _BRAIN)):
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
