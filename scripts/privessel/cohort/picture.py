"""One picture of a patient for the eye: three slices and a projection, with the outlines of the masks.

It is made for patients that fail their check too, because there it helps most: from what can be read, and
with a mask only where its shape is that of the image.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import binary_dilation

from privessel.cohort.geometry import spacing_of
from privessel.cohort.nifti import Stored, Volume, reorient
from privessel.cohort.scan import Files
from privessel.errors import CohortError
from privessel.files.atomic import atomic_path

HEIGHT = 260  # pixels of the highest of the four views
_GREYS = 48  # of the picture; a page with hundreds of patients stays small
_VESSELS, _BRAIN, _WORDS = _GREYS, _GREYS + 1, _GREYS + 2
_COLOURS = [(255, 106, 61), (70, 160, 235), (255, 255, 255)]  # of the two outlines and of words
_GAP = 6  # pixels between two views
MARK = "inside only"  # in every view, so that a view which is cut out and sent on still says it
_COVERED = 96  # of 255: a pixel belongs to a mask that fills this much of it
# Percentiles of the brain's voxels: what becomes white, and what black in slices and in the projection.
_BRIGHTEST, _DARKEST, _TISSUE = 99.5, 0.5, 10

View = tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_], tuple[float, float]]


def draw_patient(files: Files) -> Image.Image:
    """Return axial, coronal and sagittal slice and an axial maximum projection, side by side, all to scale.

    files: the patient's, of `scan.read_files`. Each slice is the one with the most vessel voxels. The
    patient's right is on the left (R) in all but the sagittal view, whose left is anterior (A). Vessels are
    outlined in orange and the brain in blue. Each view carries the words `inside only`. Where the image
    cannot be read, the picture says so.
    """
    return _draw(files, projected=True)


def draw_slices(files: Files) -> Image.Image:
    """Return the slices of `draw_patient` alone; where there is no mask of vessels, those with most brain."""
    return _draw(files, projected=False)


def save_picture(path: Path, picture: Image.Image) -> None:
    """Write a picture as PNG, whole or not at all."""
    with atomic_path(path) as partial:
        picture.save(partial, optimize=True)


def _draw(files: Files, *, projected: bool) -> Image.Image:
    if isinstance(files["image"], CohortError):
        return _blank("no picture: the image cannot be read")
    image = reorient(files["image"])
    shown = np.nan_to_num(image.data.astype(np.float32), posinf=0, neginf=0)
    vessels, brain = (_show_mask(files.get(role), image) for role in ("vessels", "brain"))
    views = _cut_slices(shown, vessels, brain, spacing_of(image.affine))
    windows = [_window(shown[brain] if brain.any() else shown[shown != 0], _DARKEST)] * len(views)
    if projected:
        views.append(_project(shown, vessels, brain, spacing_of(image.affine)))
        flat, _, flat_brain, _ = views[-1]
        # Every voxel of a projection is the brightest of its line, so what is tissue there is shown darker.
        windows.append(_window(flat[flat_brain] if flat_brain.any() else flat[flat != 0], _TISSUE))
    highest = max(view[0].shape[1] * view[3][1] for view in views)
    tiles = [_draw_view(view, HEIGHT / highest, window) for view, window in zip(views, windows, strict=True)]
    for tile, letter in zip(tiles, "RRAR", strict=False):
        drawing = ImageDraw.Draw(tile)
        drawing.text((3, 1), letter, fill=_WORDS)
        at = (3, tile.height - 3)
        drawing.text(at, MARK, fill=_WORDS, anchor="ls", stroke_width=1, stroke_fill=0)
    return _side_by_side(tiles)


def _show_mask(file: Stored | CohortError | None, image: Volume) -> NDArray[np.bool_]:
    """Return a mask as far as it can be shown; of one that cannot, nothing is shown."""
    if isinstance(file, Stored):
        mask = reorient(file, image.affine)
        if mask.data.shape == image.data.shape:
            return np.nan_to_num(mask.data) > 0
    return np.zeros(image.data.shape, bool)


def _window(values: NDArray[np.float32], darkest: float) -> tuple[float, float]:
    """Return the grey values that become black and white."""
    if not values.size:
        return 0.0, 1.0
    low, high = np.percentile(values, [darkest, _BRIGHTEST])
    return float(low), float(high)


def _cut_slices(
    image: NDArray[np.float32], vessels: NDArray[np.bool_], brain: NDArray[np.bool_], spacing: Sequence[float]
) -> list[View]:
    """Return image, vessels, brain and pixel size of each slice; arrays (right, down) as seen on the page."""
    views, marked = [], vessels if vessels.any() else brain
    for axis, (across, down) in ((2, (0, 1)), (1, (0, 2)), (0, (1, 2))):
        others = tuple(other for other in range(3) if other != axis)
        counts = marked.sum(axis=others)
        place = int(counts.argmax()) if counts.any() else image.shape[axis] // 2
        cut = [np.take(array, place, axis)[::-1, ::-1] for array in (image, vessels, brain)]
        views.append((*cut, (spacing[across], spacing[down])))
    return views


def _project(
    image: NDArray[np.float32], vessels: NDArray[np.bool_], brain: NDArray[np.bool_], spacing: Sequence[float]
) -> View:
    """Return the brightest voxels from above, within the brain where there is a mask of it."""
    within = np.where(brain, image, 0) if brain.any() else image
    flat = [array.max(axis=2)[::-1, ::-1] for array in (within, vessels, brain)]
    return (*flat, (spacing[0], spacing[1]))


def _draw_view(view: View, scale: float, window: tuple[float, float]) -> Image.Image:
    """Draw one view with its outlines; `scale` in pixels per mm, `window` the values of black and white."""
    image, vessels, brain, spacing = view
    size = tuple(max(8, round(n * side * scale)) for n, side in zip(image.shape, spacing, strict=True))
    grey = np.clip((image - window[0]) / max(window[1] - window[0], 1e-12), 0, 1)
    drawn = _resize(grey * 255, size).astype(np.float32) / 255 * (_GREYS - 1)
    pixels = np.round(drawn).astype(np.uint8)
    for mask, colour in ((brain, _BRAIN), (vessels, _VESSELS)):
        seen = _resize(mask * 255, size) > _COVERED
        pixels[binary_dilation(seen) & ~seen] = colour
    return _coloured(pixels)


def _resize(array: NDArray, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return an array (right, down) of 0..255 as rows of pixels."""
    rows = np.ascontiguousarray(array.T.astype(np.uint8))
    smaller = rows.shape[0] > size[1]
    kind = Image.Resampling.BOX if smaller else Image.Resampling.BILINEAR
    return np.asarray(Image.fromarray(rows).resize(size, kind))


def _coloured(pixels: NDArray[np.uint8]) -> Image.Image:
    picture = Image.fromarray(pixels).convert("L")
    greys = [(value, value, value) for value in np.linspace(0, 255, _GREYS).astype(int).tolist()]
    palette = [channel for colour in [*greys, *_COLOURS] for channel in colour]
    picture.putpalette(palette)
    return picture


def _side_by_side(tiles: Sequence[Image.Image]) -> Image.Image:
    width = sum(tile.width for tile in tiles) + _GAP * (len(tiles) - 1)
    rows = np.zeros((max(tile.height for tile in tiles), width), np.uint8)
    left = 0
    for tile in tiles:
        top = (rows.shape[0] - tile.height) // 2
        rows[top : top + tile.height, left : left + tile.width] = np.asarray(tile)
        left += tile.width + _GAP
    return _coloured(rows)


def _blank(words: str) -> Image.Image:
    picture = _coloured(np.zeros((40, 420), np.uint8))
    ImageDraw.Draw(picture).text((12, 14), words, fill=_WORDS)
    return picture
