"""Simulated heads: the measures that make an identity, what differs between visits, and the skin's surface.

A head is an identity (skull, face, brain, sex, age) at a visit (place in the scanner, weight, brightness,
noise). Coordinates are in mm in a frame of the head: x to its right, y to the front, z upwards, the origin
between the ears. Means and SDs are rough adult ones; they were chosen so that renderings look like
different people, and stand for nobody.
"""

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from privessel.deid.solids import Points, capsule, carve, ellipsoid, join, sphere

FIELD_OF_VIEW = 256.0  # mm, the side of the volume
_LOWER = 8.0  # mm that a head lies below the middle of the volume, so that no vertex is cut off

# Mean and SD over people, mm. What surrounds the brain, and so shapes it, too.
_SKULL = {
    "vault_x": (75, 3.2),
    "vault_y": (93, 3.8),
    "vault_z": (80, 3.2),
    "occiput": (40, 3.0),
    "scalp": (6, 1.2),
    "bone": (7, 1.0),
}
# What the brain knows nothing of.
_FACE = {
    "forehead": (30, 3.0),
    "face_x": (56, 3.5),
    "face_y": (50, 3.0),
    "face_z": (70, 3.5),
    "jaw_x": (43, 4.5),
    "jaw_y": (40, 3.0),
    "jaw_level": (-82, 3.5),
    "chin_front": (80, 4.5),
    "chin_level": (-97, 3.5),
    "chin": (13, 2.0),
    "chin_half_width": (9, 3.5),
    "nose_length": (40, 4.5),
    "nose_front": (104, 5.0),
    "nose_tip": (10, 1.6),
    "nose_wing": (11, 2.4),
    "nose_bend": (0, 1.6),
    "bridge_front": (91, 3.0),
    "bridge": (7.5, 1.2),
    "brow_front": (83, 3.5),
    "brow": (8, 2.0),
    "brow_level": (14, 2.5),
    "eye_x": (30, 2.4),
    "eye_level": (1, 2.0),
    "eye_front": (78, 2.0),
    "socket": (14, 1.8),
    "cheekbone_x": (36, 2.6),
    "cheekbone_y": (56, 3.0),
    "cheekbone_level": (-22, 3.5),
    "cheekbone": (17, 2.2),
    "cheek": (19, 3.5),
    "lip_front": (84, 3.5),
    "lip_level": (-66, 3.0),
    "lip": (8, 1.8),
    "ear_y": (16, 2.4),
    "ear_z": (29, 3.6),
    "ear_out": (7, 3.0),
    "ear_level": (-8, 4.0),
    "neck": (54, 5.0),
    "asymmetry": (0, 1.5),
}
_MALE = {"brow": 1.5, "jaw_x": 2.5, "chin": 1.0, "neck": 4.0}  # mm more than the mean above
_MALE_SIZE, _SIZE_SD = 1.03, 0.02
_WIDEST = 2.3  # SDs, so that no head takes an impossible shape
_TURN_SD, _SHIFT_SD = 2.0, 1.5  # degrees and mm, how differently a head lies in the scanner


@dataclass(frozen=True)
class Identity:
    """What stays the same of a person.

    measures: mm, by the names above. size: scale of the whole head. sex: F or M. age: years at the first
    visit. folds: seed of the brain's folds. ventricles and atrophy: mm beside what the age explains.
    """

    measures: MappingProxyType
    size: float
    sex: str
    age: float
    folds: int
    ventricles: float
    atrophy: float


@dataclass(frozen=True)
class Visit:
    """What differs between two scans of a person.

    turn: rotation vector in degrees, shift in mm, of the head in the scanner. weight: mm of the cheeks. gain:
    brightness of the whole image. bias: logarithm of its slow change, at 3 x 3 x 3 places. noise: SD, where
    white matter is 1. years: since the first visit. seed: of texture and noise.
    """

    turn: NDArray
    shift: NDArray
    weight: float
    gain: float
    bias: NDArray
    noise: float
    years: float
    seed: int


def draw_identity(random: np.random.Generator) -> Identity:
    """Draw a person."""
    sex = "M" if random.random() < 0.5 else "F"
    measures = {
        name: mean + sd * float(np.clip(random.standard_normal(), -_WIDEST, _WIDEST))
        for name, (mean, sd) in {**_SKULL, **_FACE}.items()
    }
    size = 1 + _SIZE_SD * float(np.clip(random.standard_normal(), -_WIDEST, _WIDEST))
    if sex == "M":
        size *= _MALE_SIZE
        measures |= {name: measures[name] + more for name, more in _MALE.items()}
    return Identity(
        measures=MappingProxyType(measures),
        size=size,
        sex=sex,
        age=float(random.uniform(20, 90)),
        folds=int(random.integers(2**31)),
        ventricles=float(random.normal(0, 0.9)),
        atrophy=float(random.normal(0, 0.35)),
    )


def draw_visit(random: np.random.Generator, *, first: bool) -> Visit:
    """Draw a scan of a person; a `first` one defines the age, later ones follow within two years."""
    years = float(random.uniform(0, 2))
    return Visit(
        turn=random.normal(0, _TURN_SD, 3),
        shift=random.normal(0, _SHIFT_SD, 3),
        weight=float(random.normal(0, 0.8)),
        gain=float(np.exp(random.normal(0, 0.1))),
        bias=random.normal(0, 0.08, (3, 3, 3)),
        noise=float(random.uniform(0.015, 0.03)),
        years=0.0 if first else years,
        seed=int(random.integers(2**31)),
    )


def average_identity() -> Identity:
    """Return a woman of 50 with the mean of every measure: nobody, and public."""
    measures = {name: float(mean) for name, (mean, _) in {**_SKULL, **_FACE}.items()}
    return Identity(MappingProxyType(measures), 1.0, "F", 50.0, folds=0, ventricles=0.0, atrophy=0.0)


def resting_visit() -> Visit:
    """Return a visit without rotation, bias, noise and change."""
    return Visit(np.zeros(3), np.zeros(3), 0.0, 1.0, np.zeros((3, 3, 3)), noise=0.0, years=0.0, seed=0)


def place(identity: Identity, visit: Visit, side: int) -> Points:
    """Return the head's own coordinates, in mm, of every voxel of a volume with `side` voxels a side."""
    axis = ((np.arange(side, dtype=np.float32) + 0.5) / side - 0.5) * np.float32(FIELD_OF_VIEW)
    matrix = Rotation.from_rotvec(visit.turn, degrees=True).as_matrix() / identity.size
    middle = visit.shift - [0.0, 0.0, _LOWER]
    offsets = [axis - np.float32(shift) for shift in middle]
    x, y, z = offsets[0][:, None, None], offsets[1][None, :, None], offsets[2][None, None, :]
    return tuple(np.float32(row[0]) * x + np.float32(row[1]) * y + np.float32(row[2]) * z for row in matrix)


def mirrored(at: Points, identity: Identity) -> Points:
    """Return coordinates with x from the face's own middle line, the same on both sides of it."""
    x, y, z = at
    middle = np.float32(identity.measures["asymmetry"]) * np.clip(-z / 80, 0, 1)
    return np.abs(x - middle), y, z


def skin(at: Points, identity: Identity, *, weight: float) -> NDArray:
    """Return the distance in mm to the skin, negative inside the head. weight: mm more of the cheeks."""
    return _add_neck(
        _add_ears(_add_face(_head(at, identity), at, identity, weight), at, identity), at, identity
    )


def _head(at: Points, identity: Identity) -> NDArray:
    m = identity.measures
    solid = ellipsoid(at, (0, -8, 26), (m["vault_x"], m["vault_y"], m["vault_z"]))
    solid = join(solid, sphere(at, (0, -103 + m["occiput"], 8), m["occiput"]), 25)
    solid = join(solid, sphere(at, (0, 52, 38), m["forehead"]), 20)
    solid = join(solid, ellipsoid(at, (0, 32, -36), (m["face_x"], m["face_y"], m["face_z"])), 18)
    return join(solid, ellipsoid(at, (0, 42, m["jaw_level"]), (m["jaw_x"], m["jaw_y"], 26)), 15)


def _add_face(solid: NDArray, at: Points, identity: Identity, weight: float) -> NDArray:
    m, both = identity.measures, mirrored(at, identity)
    level, front = m["eye_level"], m["chin_front"] - m["chin"]
    bone = (m["cheekbone_x"], m["cheekbone_y"], m["cheekbone_level"])
    solid = join(solid, sphere(both, bone, m["cheekbone"]), 22)
    solid = join(solid, sphere(both, (33, 54, -58), m["cheek"] + weight), 20)
    chin = ((0, front, m["chin_level"]), (max(m["chin_half_width"], 1), front, m["chin_level"]))
    solid = join(solid, capsule(both, chin, (m["chin"], m["chin"])), 10)
    ridge = m["brow_front"] - m["brow"]
    brow = ((0, ridge + 6, m["brow_level"] + 3), (36, ridge - 6, m["brow_level"]))
    solid = join(solid, capsule(both, brow, (m["brow"], m["brow"])), 8)
    solid = carve(solid, sphere(both, (m["eye_x"], 92, level), m["socket"]), 6)
    solid = join(solid, sphere(both, (m["eye_x"], m["eye_front"] - 11, level - 1), 11), 4)
    tip = (m["nose_bend"], m["nose_front"] - m["nose_tip"], level - m["nose_length"])
    root = (0, m["bridge_front"] - m["bridge"], level + 6)
    solid = join(solid, capsule(at, (root, tip), (m["bridge"], m["nose_tip"])), 8)
    wing = (m["nose_wing"], m["nose_front"] - 20, level - m["nose_length"] - 2)
    solid = join(solid, sphere(both, wing, 8), 7)
    lips = ellipsoid(both, (0, m["lip_front"] - 6, m["lip_level"]), (21, 10, m["lip"]))
    solid = join(solid, lips, 6)
    mouth = ((0, m["lip_front"] + 7, m["lip_level"]), (17, m["lip_front"], m["lip_level"]))
    return carve(solid, capsule(both, mouth, (2.5, 2.0)), 3)


def _add_ears(solid: NDArray, at: Points, identity: Identity) -> NDArray:
    m, (x, y, z) = identity.measures, mirrored(at, identity)
    tilted = (x, y + np.float32(0.5) * (x - np.float32(m["vault_x"])), z)  # they stand off towards the back
    ear = ellipsoid(
        tilted, (m["vault_x"] + m["ear_out"] - 4, -10, m["ear_level"]), (6, m["ear_y"], m["ear_z"])
    )
    return join(solid, ear, 6)


def _add_neck(solid: NDArray, at: Points, identity: Identity) -> NDArray:
    radius = identity.measures["neck"]
    return join(solid, capsule(at, ((0, -22, -50), (0, -34, -190)), (radius - 6, radius)), 22)
