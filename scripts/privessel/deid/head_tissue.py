"""What is inside a simulated head: tissues of a T1-weighted scan, the brain with its folds, and acquisition.

Grey values are shares of white matter's: grey matter about 0.62, fluid 0.2, fat 0.95, bone 0.1, air 0. Age
widens ventricles and sulci and thins what lies between skull and brain. The source of every number is how
T1-weighted scans look, and nothing more exact.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

from privessel.deid.heads import FIELD_OF_VIEW, Identity, Visit, mirrored, place, skin
from privessel.deid.solids import Points, capsule, cover, ellipsoid, join, sphere

FLUID, GREY, WHITE, VENTRICLES = 1, 2, 3, 4  # of `Head.labels`; fluid is that of the sulci
_GREY_VALUES = {
    "muscle": 0.5,
    "fat": 0.95,
    "bone": 0.1,
    "marrow": 0.35,
    "fluid": 0.2,
    "grey": 0.62,
    "white": 1.0,
}
_DEEP = 0.68  # of the grey matter around the ventricles, which is brighter than the cortex


@dataclass(frozen=True)
class Head:
    """A simulated scan: `image` (S, S, S) float32, air near 0; `brain` bool; `labels` uint8 inside of it."""

    image: NDArray[np.float32]
    brain: NDArray[np.bool_]
    labels: NDArray[np.uint8]


@dataclass(frozen=True)
class _Brain:
    """Distances in mm, negative inside, of what the brain is made of; `gap`: fluid around it, mm."""

    cavity: NDArray
    brain: NDArray
    white: NDArray
    sulci: NDArray
    ventricles: NDArray
    deep: NDArray
    gap: float


def simulate(identity: Identity, visit: Visit, side: int) -> Head:
    """Return the scan of a person at a visit, `side` voxels a side over FIELD_OF_VIEW; deterministic."""
    voxel = FIELD_OF_VIEW / side
    at = place(identity, visit, side)
    surface = skin(at, identity, weight=visit.weight)
    parts = _shape_brain(at, identity, visit, side)
    image = _paint_soft(at, surface, identity, visit, side)
    image = _paint_brain(image, surface, parts, identity, voxel)
    brain = parts.brain + np.float32(0.3 * parts.gap) < 0
    return Head(_acquire(image, visit, side), brain, _label(parts, brain))


def smooth_field(seed: int, side: int, cells: int) -> NDArray[np.float32]:
    """Return a smooth random volume of SD 1 with `cells` control points a side."""
    nodes = np.random.default_rng(seed).standard_normal((cells,) * 3).astype(np.float32)
    field = _stretch(nodes, side)
    return field / field.std()


def _stretch(nodes: NDArray, side: int) -> NDArray[np.float32]:
    return zoom(nodes, side / len(nodes), order=2, mode="nearest", grid_mode=True)


def _shape_brain(at: Points, identity: Identity, visit: Visit, side: int) -> _Brain:
    m, both = identity.measures, mirrored(at, identity)
    years = identity.age + visit.years - 20
    gap = max(1.5 + 0.05 * max(years, 0) + identity.atrophy, 0.8)
    inward = m["scalp"] + m["bone"]
    cavity = ellipsoid(at, (0, -8, 26), [m[f"vault_{axis}"] - inward for axis in "xyz"])
    cavity = join(cavity, ellipsoid(at, (0, -48, -18), (40, 27, 22)), 10)  # the cerebellum's
    cavity = np.maximum(cavity, -(at[2] + 38))  # the floor of the skull
    brain = join(cavity + np.float32(gap), capsule(at, ((0, -24, 0), (0, -34, -52)), (12, 9)), 6)
    folds = smooth_field(identity.folds, side, 16) + 0.3 * smooth_field(identity.folds + 1, side, 8)
    ribbon, depth = np.abs(folds), -brain  # the ribbon is 0 where a sulcus cuts in
    white = np.maximum(5 - depth, np.minimum((0.9 - ribbon) * 8, 22 - depth))
    sulci = np.maximum((ribbon - 0.08 - 0.0035 * years) * 8, depth - 14)
    wide = max(4.5 + 0.11 * years + identity.ventricles, 2.5)
    x, y, z = both
    bent = (x - 13 - 0.1 * (y + 8), y + 8, z - 32 + 0.004 * (y + 8) ** 2)
    ventricles = ellipsoid(bent, (0, 0, 0), (wide, 36, wide + 3))
    ventricles = join(ventricles, ellipsoid(at, (0, -5, 22), (max(wide / 2, 1.5), 16, 10)), 3)
    deep = ellipsoid(both, (20, 2, 22), (9, 18, 12))
    return _Brain(cavity, brain, white, sulci, ventricles, deep, gap)


def _paint(image: NDArray, share: NDArray, value: float | NDArray) -> NDArray:
    """Return the image with `share` of each voxel replaced; a share of 1 leaves nothing of what was there."""
    return image * (1 - share) + share * value


def _paint_soft(at: Points, surface: NDArray, identity: Identity, visit: Visit, side: int) -> NDArray:
    m, both, voxel = identity.measures, mirrored(at, identity), FIELD_OF_VIEW / side
    texture = 0.03 * smooth_field(visit.seed, side, max(side // 4, 4))
    inside = cover(surface, voxel)
    image = _paint(np.zeros((side,) * 3, np.float32), inside, np.float32(_GREY_VALUES["muscle"]) + texture)
    under_skin = inside * cover(-(surface + np.float32(m["scalp"])), voxel)
    image = _paint(image, under_skin, np.float32(_GREY_VALUES["fat"]))
    eye = (m["eye_x"], m["eye_front"] - 11, m["eye_level"] - 1)
    # Grey value, distance to the part, and how many mm under the skin it stays.
    hollows = (
        (0.04, ellipsoid(both, (0, 60, -30), (11, 22, 20)), 6),  # nasal cavity
        (0.03, capsule(at, ((0, 22, -45), (0, 2, -190)), (9, 9)), 8),  # airway
        (0.05, ellipsoid(both, (22, 56, -28), (11, 13, 13)), 8),  # maxillary sinuses
        (0.25, ellipsoid(both, (0, 60, -70), (28, 14, 12)), 8),  # mouth and teeth
        (0.85, sphere(both, (eye[0], eye[1] - 10, eye[2] + 1), 18), 3),  # fat behind the eyes
        (0.25, sphere(both, eye, 10), 1),  # eyeballs
    )
    for value, distance, under in hollows:
        share = cover(distance, voxel) * cover(surface + np.float32(under), voxel)
        image = _paint(image, share, np.float32(value))
    return image


def _paint_brain(
    image: NDArray, surface: NDArray, parts: _Brain, identity: Identity, voxel: float
) -> NDArray:
    bone = np.float32(identity.measures["bone"])
    middle = np.abs(parts.cavity - bone / 2) - np.float32(1.2)
    brain = cover(parts.brain, voxel)
    layers = (
        ("bone", cover(parts.cavity - bone, voxel) * cover(surface + 1, voxel)),
        ("marrow", cover(middle, voxel) * cover(surface + 3, voxel)),
        ("fluid", cover(parts.cavity, voxel)),
        ("grey", brain),
        ("white", brain * cover(parts.white, voxel)),
        ("fluid", brain * cover(parts.sulci, voxel)),
    )
    for tissue, share in layers:
        image = _paint(image, share, np.float32(_GREY_VALUES[tissue]))
    image = _paint(image, brain * cover(parts.deep, voxel), np.float32(_DEEP))
    ventricles = cover(parts.ventricles, voxel) * cover(parts.brain + 4, voxel)
    return _paint(image, ventricles, np.float32(_GREY_VALUES["fluid"]))


def _label(parts: _Brain, brain: NDArray[np.bool_]) -> NDArray[np.uint8]:
    labels = np.full(brain.shape, GREY, np.uint8)
    labels[parts.white < 0] = WHITE
    labels[parts.sulci < 0] = FLUID
    labels[parts.deep < 0] = GREY
    labels[parts.ventricles < 0] = VENTRICLES
    return labels * brain


def _acquire(image: NDArray, visit: Visit, side: int) -> NDArray[np.float32]:
    """Return the magnitude image: slow changes of brightness, and noise in both channels (Rician)."""
    bias = np.exp(_stretch(visit.bias.astype(np.float32), side)) * np.float32(visit.gain)
    noise = np.random.default_rng(visit.seed).standard_normal((2, *image.shape), dtype=np.float32)
    noise *= np.float32(visit.noise)
    return np.sqrt((image * bias + noise[0]) ** 2 + noise[1] ** 2).astype(np.float32)
