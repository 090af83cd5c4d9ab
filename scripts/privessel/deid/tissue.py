"""Brain tissues of a whole head, found as a user's tools find them: brain extraction, then tissue classes.

The paper asks SIENAX, which is FSL's brain extraction followed by its classes (Smith et al. 2002). FSL cannot
be installed from a package index, so the same two steps are taken here with scipy and scikit-learn. As
there, the head alone is given: the brain must be found, and what has been done to the face may mislead.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import (
    binary_closing,
    binary_fill_holes,
    center_of_mass,
    distance_transform_edt,
    find_objects,
    label,
    zoom,
)
from sklearn.mixture import GaussianMixture

from privessel.deid.head_tissue import FLUID, GREY, VENTRICLES, WHITE

# Name of a tissue in tables -> its labels. The brain is grey and white matter, as in SIENAX.
TISSUES = {"gm": (GREY,), "wm": (WHITE,), "vcsf": (VENTRICLES,), "brain": (GREY, WHITE)}
BRAIN_LITRES = (0.6, 1.8)  # of an extracted brain; most adults have 1.0 to 1.6 (Allen et al. 2002)
_FINEST = 4.0  # mm; coarser heads are interpolated, because bridges to the skin are no thicker
_BRIGHTEST = 0.98  # quantile of the head's grey values that stands for white matter, as in BET
_HEAD, _TISSUE = 0.15, 0.45  # of it: air is below the first, bone and fluid below the second
_RADII = (4, 6, 8, 10, 12, 14, 16)  # mm by which bridges are eroded, until the brain comes off
_NEAR = 40.0  # mm from the head's middle, within which the brain's is
_CLOSED = 6.0  # mm, width of sulci that belong to the brain
_DEEP = 20.0  # mm under the brain's surface, where fluid is that of ventricles
_FITTED = 20_000  # voxels that the mixture is fitted to, at most
_QUANTILES = (0.05, 0.3, 0.75)  # of the brain's grey values, where its three tissues are looked for first


def extract_brain(head: NDArray, voxel: float) -> NDArray[np.bool_]:
    """Return the brain in a head (S, S, S), fluid of its sulci included; nothing where none was found.

    voxel: side in mm. Bright tissue is eroded until the piece nearest to the head's middle, grown back, has
    the volume of a brain (BRAIN_LITRES). The head may lie anywhere in the volume.
    """
    nothing = np.zeros(head.shape, bool)
    if not head.max() > 0:
        return nothing
    finer = max(1, round(voxel / _FINEST))
    image = zoom(head, finer, order=1, mode="nearest", grid_mode=True) if finer > 1 else head
    image = image / np.quantile(image[image > 0.1 * image.max()], _BRIGHTEST)
    (around,) = find_objects((image > _HEAD).astype(np.int8))
    found = _erode_and_grow(np.pad(image[around], 1), voxel / finer)
    if found is None:
        return nothing
    brain = np.zeros(image.shape, bool)
    brain[around] = found[1:-1, 1:-1, 1:-1]
    cells = brain.reshape(*(part for side in head.shape for part in (side, finer)))
    return cells.mean((1, 3, 5)) >= 0.5


def find_tissues(head: NDArray, voxel: float) -> NDArray[np.uint8]:
    """Return labels (S, S, S) of a head: 0 outside of the brain, else FLUID, GREY, WHITE or VENTRICLES.

    voxel: side in mm. A mixture of three Gaussians is fitted to the grey values of the extracted brain; fluid
    far from its surface is that of ventricles. All labels are 0 where no brain was found. The bias field is
    not corrected. Deterministic.
    """
    brain = extract_brain(head, voxel)
    labels = np.zeros(head.shape, np.uint8)
    values = head[brain].astype(np.float64)[:, None]
    if len(np.unique(values)) < len(_QUANTILES):
        return labels
    some = values[:: max(1, len(values) // _FITTED)]
    starts = np.quantile(some, _QUANTILES, axis=0)
    mixture = GaussianMixture(
        len(starts),
        means_init=starts,
        weights_init=np.full(len(starts), 1 / len(starts)),
        precisions_init=np.full((len(starts), 1, 1), len(starts) ** 2 / some.var()),
        init_params="random_from_data",  # replaced by the above; the others are slower
        reg_covar=1e-4,
        random_state=0,
    ).fit(some)
    rank = np.argsort(np.argsort(mixture.means_[:, 0]))
    labels[brain] = np.array([FLUID, GREY, WHITE], np.uint8)[rank][mixture.predict(values)]
    deep = distance_transform_edt(brain) * voxel > _DEEP
    labels[deep & (labels == FLUID)] = VENTRICLES
    return labels


def measure_volumes(labels: NDArray[np.uint8], voxel: float) -> dict[str, float]:
    """Return the volume in mL of each of TISSUES; voxel: side in mm."""
    return {name: float(np.isin(labels, kinds).sum()) * voxel**3 / 1000 for name, kinds in TISSUES.items()}


def compare(labels: NDArray[np.uint8], reference: NDArray[np.uint8]) -> dict[str, float]:
    """Return the Dice overlap of each of TISSUES; NaN of a tissue that the reference has nothing of."""
    overlaps = {}
    for name, kinds in TISSUES.items():
        found, sought = np.isin(labels, kinds), np.isin(reference, kinds)
        both = 2 * float((found & sought).sum())
        overlaps[name] = both / float(found.sum() + sought.sum()) if sought.any() else np.nan
    return overlaps


def _erode_and_grow(image: NDArray, voxel: float) -> NDArray[np.bool_] | None:
    """Return the brain in an image whose white matter is 1, or None."""
    head = image > _HEAD
    middle = np.argwhere(head).mean(0)
    depth = distance_transform_edt(image > _TISSUE) * voxel
    for radius in _RADII:
        pieces, count = label(depth > radius)
        if not count:
            break
        sizes = np.bincount(pieces.ravel(), minlength=count + 1)[1:]
        centres = np.array(center_of_mass(pieces > 0, pieces, range(1, count + 1)))
        away = np.linalg.norm(centres - middle, axis=1) * voxel
        best = 1 + int(np.argmax(sizes * np.exp(-((away / _NEAR) ** 2))))
        grown = (distance_transform_edt(pieces != best) * voxel <= radius + voxel / 2) & head
        brain = _close(grown, max(1, round(_CLOSED / voxel)))
        litres = brain.sum() * voxel**3 / 1e6
        if litres <= BRAIN_LITRES[1]:
            return brain if litres >= BRAIN_LITRES[0] else None
    return None


def _close(mask: NDArray[np.bool_], steps: int) -> NDArray[np.bool_]:
    """Return a mask with its grooves closed and its holes filled, also at the border of the volume."""
    wide = binary_closing(np.pad(mask, steps), iterations=steps)
    return binary_fill_holes(wide)[(slice(steps, -steps),) * 3]
