"""Deep structures of the head: ventricles, cisterns, grey nuclei, orbits, sinuses; tubes and ellipsoids."""

from dataclasses import dataclass

import numpy as np

from privessel.phantom.anatomy import Head
from privessel.phantom.fields import smoothstep
from privessel.phantom.frame import Frame
from privessel.phantom.textures import Textures
from privessel.phantom.tissue import Levels

Point = tuple[float, ...]


@dataclass(frozen=True)
class Tube:
    """Chain of tapered capsules (x, y, z, radius) in template mm; `paired` ones are mirrored to the left."""

    tissue: str
    group: str
    points: tuple[Point, ...]
    paired: bool = True

    def bounds(self, factor: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the lower and upper corner (3,) of the tube with its radii times `factor`."""
        points = np.asarray(self.points, float)
        radii = points[:, 3:] * factor
        return (points[:, :3] - radii).min(0), (points[:, :3] + radii).max(0)

    def depth(self, x: np.ndarray, y: np.ndarray, z: np.ndarray, factor: float) -> np.ndarray:
        """Return the signed depth in mm inside the tube with its radii times `factor`, float32."""
        points = np.asarray(self.points, np.float32) * np.array([1, 1, 1, factor], np.float32)
        deepest = np.full(np.broadcast_shapes(x.shape, y.shape, z.shape), -np.inf, np.float32)
        for start, end in zip(points[:-1], points[1:], strict=True):
            axis = end[:3] - start[:3]
            dx, dy, dz = x - start[0], y - start[1], z - start[2]
            along = np.clip((dx * axis[0] + dy * axis[1] + dz * axis[2]) / (axis * axis).sum(), 0, 1)
            square = (dx - along * axis[0]) ** 2 + (dy - along * axis[1]) ** 2 + (dz - along * axis[2]) ** 2
            np.maximum(deepest, start[3] + along * (end[3] - start[3]) - np.sqrt(square), out=deepest)
        return deepest


@dataclass(frozen=True)
class Ellipsoid:
    """Centre and semi-axes in template mm; `paired` ones are mirrored to the left."""

    tissue: str
    group: str
    centre: Point
    radii: Point
    paired: bool = True

    def bounds(self, factor: float) -> tuple[np.ndarray, np.ndarray]:
        """Return the lower and upper corner (3,) of the ellipsoid with its semi-axes times `factor`."""
        centre, radii = np.asarray(self.centre, float), np.asarray(self.radii, float) * factor
        return centre - radii, centre + radii

    def depth(self, x: np.ndarray, y: np.ndarray, z: np.ndarray, factor: float) -> np.ndarray:
        """Return the signed depth in mm, float32, of the ellipsoid with its semi-axes times `factor`.

        It is exact to first order near the surface.
        """
        (a, b, c), (u, v, w) = np.asarray(self.radii, np.float32) * np.float32(factor), self.centre
        x, y, z = (x - u) / a, (y - v) / b, (z - w) / c
        ratio = np.sqrt(x * x + y * y + z * z)
        slope = np.sqrt((x / a) ** 2 + (y / b) ** 2 + (z / c) ** 2)
        # In the centre the first term is 0 / 0; there the last one takes its place.
        return ratio * (1 - ratio) / np.maximum(slope, 1e-3) + (1 - ratio).clip(0) ** 4 * min(a, b, c)


# Painted in this order. Groups: nuclei; ventricles and cisterns, scaled per patient; base, outside the brain.
STRUCTURES: tuple[Tube | Ellipsoid, ...] = (
    Ellipsoid("gm", "nuclei", (24, 3, 14), (5, 15, 9)),  # putamen and pallidum
    Ellipsoid("gm", "nuclei", (11, -13, 18), (8, 13, 8)),  # thalamus
    Tube("gm", "nuclei", ((13, 19, 17, 5), (15, 8, 26, 3.5), (18, -10, 31, 2.2))),  # caudate
    Tube(
        "csf",  # lateral ventricle: frontal horn, body, atrium, occipital horn
        "ventricles",
        (
            (8, 30, 19, 2.5),
            (9, 20, 25, 3.6),
            (10, 4, 30, 3.2),
            (12, -14, 31, 3.4),
            (19, -30, 25, 4.6),
            (21, -46, 18, 2.2),
        ),
    ),
    Tube("csf", "ventricles", ((20, -30, 23, 4), (27, -24, 10, 2.4), (29, -10, -1, 1.8))),  # temporal horn
    Tube("plexus", "ventricles", ((15, -24, 29, 1), (20, -31, 23, 2), (24, -25, 14, 1))),  # choroid plexus
    Ellipsoid("csf", "ventricles", (0, -2, 16), (2, 11, 9), paired=False),  # third
    Ellipsoid("csf", "ventricles", (0, -34, -10), (5, 4, 8), paired=False),  # fourth
    Ellipsoid("csf", "cisterns", (0, 8, 4), (9, 8, 6), paired=False),  # suprasellar
    Ellipsoid("csf", "cisterns", (0, 20, 8), (3, 8, 6), paired=False),  # in front of the chiasm
    Ellipsoid("csf", "cisterns", (0, -5, 4), (6, 5, 6), paired=False),  # interpeduncular
    Tube(
        "csf", "cisterns", ((6, 10, 5, 4), (14, 9, 8, 3.4), (24, 8, 9.5, 2.8), (34, 6, 10, 2.8))
    ),  # Sylvian stem
    Ellipsoid("csf", "cisterns", (38.5, -3, 17), (1.5, 17, 12)),  # Sylvian, over the insula
    Tube("csf", "cisterns", ((40, 8, 11, 2), (50, 2, 13, 1.3), (62, -6, 16, 1.5))),  # Sylvian, to the surface
    Tube("csf", "cisterns", ((39, -8, 17, 1.4), (50, -16, 19, 1.2), (62, -24, 22, 1.4))),
    Tube(
        "csf",
        "cisterns",
        ((5, -7, 5, 3), (13, -12, 6, 2.4), (17, -24, 7, 2.4), (12, -35, 10, 2.4), (0, -39, 13, 4)),
    ),
    Tube(
        "csf", "cisterns", ((0, -6, 0, 4), (1, -9, -9, 3.6), (2, -14, -18, 3.6), (3, -20, -26, 3.4))
    ),  # prepontine
    Ellipsoid("air", "base", (7, 20, -13), (7, 11, 8)),  # sphenoid sinus
    Ellipsoid("air", "base", (6, 48, -8), (6, 18, 9)),  # ethmoid cells
    Tube("fat", "base", ((29, 66, -12, 14), (25, 52, -11, 12), (17, 34, -9, 6), (13, 25, -8, 3))),  # orbit
    Tube("muscle", "base", ((30, 58, -12, 2), (20, 38, -10, 2), (13, 22, -6, 2))),  # optic nerve
    Tube("muscle", "base", ((38, 62, -12, 2), (30, 40, -11, 1.6), (15, 24, -8, 1.4))),  # lateral rectus
    Tube("muscle", "base", ((19, 62, -12, 2), (15, 42, -11, 1.6), (12, 24, -8, 1.4))),  # medial rectus
    Ellipsoid("csf", "base", (29, 66, -12), (11.5, 11.5, 11.5)),  # globe
    Ellipsoid("air", "base", (52, -34, -20), (10, 12, 10)),  # mastoid cells
)

EDGE = 1.2  # template mm over which a structure fades in
ROUGHNESS = 0.7  # template mm that texture moves an edge


def paint_structures(
    image: np.ndarray, depth: np.ndarray, *, frame: Frame, head: Head, textures: Textures, levels: Levels
) -> None:
    """Mix the deep structures into `image`, in place, each within its bounding box."""
    factors = {"nuclei": 1.0, "base": 1.0, "ventricles": head.ventricles, "cisterns": head.cisterns}
    for part in STRUCTURES:
        factor, level = factors[part.group], np.float32(getattr(levels, part.tissue))
        low, high = part.bounds(factor)
        margin = EDGE + 3 * ROUGHNESS
        low, high = low - margin, high + margin
        for side in (1, -1) if part.paired else (1,):
            box = frame.box(low, high) if side == 1 else frame.box((-high[0], *low[1:]), (-low[0], *high[1:]))
            x, y, z = frame.axes(box)
            texture = textures.medium.slab(box[0])[:, box[1], box[2]]
            inside = part.depth(side * x, y, z, factor) + np.float32(ROUGHNESS) * texture
            region = depth[box] < -1 if part.group == "base" else depth[box] > 0
            image[box] += (level - image[box]) * smoothstep(inside / EDGE + 0.5) * region


def paint_fissure(
    image: np.ndarray, depth: np.ndarray, *, frame: Frame, head: Head, textures: Textures, level: float
) -> None:
    """Mix the interhemispheric fissure into `image`, in place: a thin wavy sheet of CSF on the midline."""
    box = frame.box((-6, -200, -200), (6, 200, 200))
    x, y, z = frame.axes(box)
    wave = textures.surface.slab(box[0])
    region = (z > 26) | (y > 22) | (y < -42)
    sheet = (
        smoothstep((0.8 * head.cisterns - np.abs(x + wave + head.tilt * y)) / 0.8 + 0.5)
        * region
        * (depth[box] > 0)
    )
    image[box] += (np.float32(level) - image[box]) * sheet


def paint_sagittal_sinus(image: np.ndarray, depth: np.ndarray, *, frame: Frame, level: float) -> None:
    """Mix the superior sagittal sinus into `image`, in place: under the vault from forehead to occiput."""
    box = frame.box((-6, -200, 10), (6, 40, 200))
    x, _, _ = frame.axes(box)
    share = 0.9 * smoothstep(1.4 - np.sqrt((x / 3) ** 2 + ((depth[box] + 0.5) / 2.2) ** 2))
    image[box] += (np.float32(level) - image[box]) * share
