"""The common frame of all heads: a cube in RAS around the brain, found and scaled from the brain alone.

A frame that looked at the face would tell of it, whatever is done to the face afterwards. So place, rotation
and scale of intensities are functions of the masked brain. Its grey values in the cube are interpolated among
voxels of the brain only; those of the rest of the head are for training and attacks, never for an output.
"""

from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import affine_transform, gaussian_filter
from scipy.spatial.transform import Rotation

from privessel.deid.head_tissue import simulate
from privessel.deid.heads import FIELD_OF_VIEW, average_identity, resting_visit
from privessel.files.arrays import write_arrays
from privessel.files.reading import read_arrays, reading

WHITE = 0.85  # of the brain's brightest twentieth, white matter, in a frame's image
_BRIGHT = 0.95
_TEMPLATE_SIDE = 32  # voxels; a rotation is found to a fraction of a voxel
_MOST_STEPS = 15
_STILL = 0.05  # degrees
_MOST_TURN = 25.0  # degrees; a larger one is a registration that went wrong


@dataclass(frozen=True)
class Place:
    """Where a scan's cube lies and what its grey values mean.

    affine: (4, 4), voxel of the cube -> scanner mm. scale: the scan's intensity that is 1 in the cube, where
    the bias field is 1. bias: that field, (S, S, S), or (1, 1, 1) of 1 where none was taken out.
    """

    side: int
    affine: NDArray[np.float64]
    scale: float
    bias: NDArray[np.float32] = field(default_factory=lambda: np.ones((1, 1, 1), np.float32))

    @property
    def voxel(self) -> float:
        """The side of a voxel in mm."""
        return float(np.linalg.norm(self.affine[:3, 0]))

    def with_bias(self, bias: NDArray[np.float32], affine: NDArray) -> "Place":
        """Return the place with a scan's bias field, which lies on the scan's own grid of `affine`.

        Where the scan does not reach, the field goes on as at the scan's border.
        """
        if bias.size == 1:
            return self
        return replace(self, bias=_resample(bias, affine, self.affine, (self.side,) * 3, mode="nearest"))

    def as_intensities(self, image: NDArray) -> NDArray:
        """Return grey values of the cube (S, S, S) as the scanner would have measured them, bias and all."""
        return image * self.bias * self.scale


@dataclass(frozen=True)
class Framed:
    """A scan in the common frame: `image` (S, S, S) float32 in [0, 1], `brain` bool, and its place."""

    image: NDArray[np.float32]
    brain: NDArray[np.bool_]
    place: Place

    def save(self, path: Path) -> None:
        """Write image, brain, affine and scale as .npz."""
        write_arrays(path, image=self.image, brain=self.brain, **asdict(self.place))

    @classmethod
    def load(cls, path: Path) -> "Framed":
        """Read what `save` has written; raises DamagedError."""
        arrays = read_arrays(path)
        with reading(path):
            place = Place(int(arrays["side"]), arrays["affine"], float(arrays["scale"]), arrays["bias"])
            return cls(arrays["image"], arrays["brain"], place)


def find_place(
    masked: NDArray, brain: NDArray[np.bool_], affine: NDArray, *, side: int, field_of_view: float
) -> Place:
    """Return where the cube lies: `field_of_view` mm around the brain, turned as the average brain lies.

    masked: the scan's intensities inside of `brain`, 0 elsewhere, and `affine` its voxel -> scanner mm. The
    brain's centroid and rotation become those of the average simulated head's brain. Only the brain is given,
    so nothing else can matter.
    """
    scale = float(np.quantile(masked[brain], _BRIGHT)) / WHITE
    _, template_centre = _template()
    centre = affine[:3, :3] @ np.argwhere(brain).mean(0) + affine[:3, 3]
    rotation = _find_rotation(brain, affine, centre)
    voxel = field_of_view / side
    first = (
        np.full(3, voxel / 2 - field_of_view / 2) - template_centre
    )  # the cube's first voxel, from the brain
    cube = np.eye(4)
    cube[:3, :3] = rotation * voxel
    cube[:3, 3] = rotation @ first + centre
    return Place(side, cube, scale)


def frame(image: NDArray, brain: NDArray[np.bool_], affine: NDArray, place: Place) -> Framed:
    """Return a scan, its intensities and brain mask in voxels of `affine`, in its cube.

    Inside of the brain the result depends on voxels of the brain alone.
    """
    share = to_cube(brain.astype(np.float32), affine, place)
    inside = share >= 0.5
    own = to_cube(np.where(brain, image, 0).astype(np.float32), affine, place)
    whole = to_cube(image.astype(np.float32), affine, place)
    values = np.where(inside, own / np.maximum(share, 0.5), whole) / place.scale
    return Framed(np.clip(values, 0, 1).astype(np.float32), inside, place)


def to_cube(volume: NDArray, affine: NDArray, place: Place) -> NDArray:
    """Return a scan's volume in its cube, by linear interpolation; 0 where the scan does not reach."""
    return _resample(volume, affine, place.affine, (place.side,) * 3)


def from_cube(volume: NDArray, place: Place, affine: NDArray, shape: tuple[int, ...]) -> NDArray:
    """Return a cube's volume in voxels of a scan with `affine` and `shape`, by linear interpolation."""
    return _resample(volume, place.affine, affine, shape)


def _resample(
    volume: NDArray, affine: NDArray, target: NDArray, shape: tuple[int, ...], *, mode: str = "constant"
) -> NDArray:
    mapping = np.linalg.inv(affine) @ target
    return affine_transform(volume, mapping[:3, :3], mapping[:3, 3], output_shape=shape, order=1, mode=mode)


def average_brain(place: Place) -> NDArray[np.bool_]:
    """Return the brain mask of the average simulated head in a cube as large as `place`'s, (S, S, S)."""
    head = simulate(average_identity(), resting_visit(), 2 * _TEMPLATE_SIDE)
    cube = upright_cube(place.side, place.voxel * place.side)
    own = head.brain.astype(np.float32)
    return _resample(own, upright_cube(len(own)), cube, (place.side,) * 3) >= 0.5


@cache
def _template() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the smoothed brain mask of the average simulated head at rest, and its centroid in mm."""
    head = simulate(average_identity(), resting_visit(), _TEMPLATE_SIDE)
    cube = upright_cube(_TEMPLATE_SIDE)
    centre = cube[:3, :3] @ np.argwhere(head.brain).mean(0) + cube[:3, 3]
    return _smooth(head.brain), centre


def _find_rotation(brain: NDArray[np.bool_], affine: NDArray, centre: NDArray) -> NDArray[np.float64]:
    """Return the rotation (3, 3) about its centroid that brings the average brain onto this one.

    Gauss-Newton steps on the squared difference of the two smoothed masks, with the best common factor.
    """
    template, template_centre = _template()
    cube = upright_cube(_TEMPLATE_SIDE)
    cube[:3, 3] += centre - template_centre
    mask = _smooth(_resample(brain.astype(np.float32), affine, cube, template.shape))
    middle = (template_centre + FIELD_OF_VIEW / 2) / FIELD_OF_VIEW * _TEMPLATE_SIDE - 0.5

    def difference(turn: NDArray) -> NDArray:
        matrix = Rotation.from_rotvec(turn, degrees=True).as_matrix()
        turned = affine_transform(mask, matrix, middle - matrix @ middle, order=1).ravel()
        return turned * (turned @ template.ravel() / (turned @ turned)) - template.ravel()

    turn = np.zeros(3)
    for _ in range(_MOST_STEPS):
        now = difference(turn)
        slopes = np.stack([difference(turn + step) - now for step in np.eye(3)], 1)
        move = -np.linalg.lstsq(slopes, now, rcond=None)[0]
        shares = (0.5**halvings for halvings in range(5))
        better = (
            turn + share * move
            for share in shares
            if np.linalg.norm(difference(turn + share * move)) < np.linalg.norm(now)
        )
        before, turn = turn, next(better, turn)
        if np.linalg.norm(turn - before) < _STILL:
            break
    if np.linalg.norm(turn) > _MOST_TURN:
        turn = np.zeros(3)
    return Rotation.from_rotvec(turn, degrees=True).as_matrix()


def upright_cube(side: int, field_of_view: float = FIELD_OF_VIEW) -> NDArray[np.float64]:
    """Return the affine of a cube of `field_of_view` mm around the origin."""
    voxel = field_of_view / side
    cube = np.diag([voxel, voxel, voxel, 1.0])
    cube[:3, 3] = voxel / 2 - field_of_view / 2
    return cube


def _smooth(volume: NDArray) -> NDArray[np.float64]:
    return gaussian_filter(np.asarray(volume, np.float64), 6.0 * _TEMPLATE_SIDE / FIELD_OF_VIEW)
