"""Simulated scans as hospitals store them: oblique, anisotropic, 16-bit with slope and intercept."""

from functools import cache

import nibabel as nib
import numpy as np
from deid.people import person
from scipy.ndimage import affine_transform, zoom
from scipy.spatial.transform import Rotation

from privessel.deid.head_cohort import scanner_affine

SIDE = 64


@cache
def simulated(number, visit=1):
    head = person(number).scan(visit, SIDE)
    return head.image, head.brain


def oblique_affine():
    """3 x 4.2 x 5 mm voxels, axes in the order front, up, left, and turned by 12 degrees."""
    turn = Rotation.from_euler("xyz", [12, -7, 5], degrees=True).as_matrix()
    order = np.array([[0, 0, -1], [1, 0, 0], [0, 1, 0]], float)
    affine = np.eye(4)
    affine[:3, :3] = turn @ order * [3.0, 4.2, 5.0]
    affine[:3, 3] = -affine[:3, :3] @ ((np.array([88, 66, 50]) - 1) / 2) + [2, -1, 3]
    return affine, (88, 66, 50)


@cache
def oblique(number):
    """Image intensities and mask of a person on the oblique grid."""
    affine, shape = oblique_affine()
    image, brain = simulated(number)
    mapping = np.linalg.inv(scanner_affine(SIDE)) @ affine
    given = {"matrix": mapping[:3, :3], "offset": mapping[:3, 3], "output_shape": shape, "order": 1}
    return affine_transform(image, **given), affine_transform(brain.astype(np.float32), **given) > 0.5


def write(path, values, affine, *, slope=0.5, intercept=-20.0, dtype=np.int16):
    """Write intensities as stored numbers with slope and intercept."""
    stored = values if slope is None else np.rint((values - intercept) / slope)
    image = nib.Nifti1Image(stored.astype(dtype), affine)
    image.header.set_xyzt_units("mm", "sec")
    image.set_qform(affine, code=1)
    image.set_sform(affine, code=1)
    image.header["descrip"] = b"MRN 4711 Jane Doe"
    if slope is not None:
        image.header.set_slope_inter(slope, intercept)
    image.to_filename(path)
    return path


def fine(number, side=SIDE):
    """A person in RAS on the simulated grid, with white matter near 500."""
    image, brain = simulated(number)
    return zoom(image, side / SIDE, order=1) * 500, zoom(brain.astype(np.float32), side / SIDE, order=1) > 0.5
