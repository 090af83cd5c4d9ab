"""The head around the arteries: its population, one patient's outlines, the surface of the brain.

Shapes are placed by hand on anatomical landmarks. They are meant to hold what a vessel detector may confuse
with arteries; they are no atlas. Numbers without a citation are estimates from textbook ranges.
"""

from dataclasses import dataclass

import numpy as np

from privessel.phantom.parameters import knob


@dataclass(frozen=True)
class Anatomy:
    """Heads of a population: nominal sizes and how much patients differ. Lengths in template mm."""

    brain_width: float = knob(126, "mm", 120, 134, "without CSF; adult means 125-140 mm")
    brain_length: float = knob(158, "mm", 150, 168, "adult means 160-175 mm, here at the level of the vault")
    brain_height: float = knob(
        124, "mm", 116, 132, "twice the height of the vertex above the circle of Willis + 6 mm"
    )
    size_sd: float = knob(0.03, "share", 0.02, 0.05, "SD of each diameter between patients")
    taper: float = knob(0.07, "share", 0.0, 0.12, "frontal half narrower than the parietal half")
    surface_sd: float = knob(1.0, "mm", 0.5, 1.6, "SD of bumps of the brain surface, wavelength about 26 mm")
    sulcus_width: float = knob(0.95, "mm", 0.6, 1.5, "mean width of a sulcus, wider with age")
    sulcus_width_sd: float = knob(0.25, "mm", 0.1, 0.4, "SD between patients")
    sulcus_depth: float = knob(14.0, "mm", 10, 18, "depth that sulci reach; real ones 10-20 mm")
    gyrus_width: float = knob(6.0, "mm", 5, 8, "distance over which the sulcal pattern changes")
    cortex: float = knob(2.5, "mm", 2.0, 3.2, "cortical thickness 2-3 mm (Fischl and Dale 2000)")
    ventricle_size: float = knob(1.0, "factor", 0.75, 1.4, "widths of the ventricles")
    ventricle_size_sd: float = knob(
        0.18, "share", 0.05, 0.3, "SD between patients; adult volumes vary 3-fold"
    )
    cistern_size: float = knob(1.0, "factor", 0.8, 1.3, "widths of cisterns and fissures")
    cistern_size_sd: float = knob(0.12, "share", 0.05, 0.2, "SD between patients")
    skull: float = knob(5.6, "mm", 4.5, 7.5, "thickness of the vault; real ones 4-8 mm")
    scalp: float = knob(5.2, "mm", 3.5, 7.0, "thickness of skin and fat; real ones 3-8 mm")
    mask_margin: float = knob(0.4, "mm", -0.2, 1.0, "how far inside the surface brain extraction cuts")
    mask_error_sd: float = knob(
        1.1, "mm", 0.5, 1.6, "its irregularity: real masks miss or keep about a voxel or two"
    )


@dataclass(frozen=True)
class Head:
    """One patient's outlines: centre and semi-axes of the brain in template mm, and factors of the rest."""

    centre: np.ndarray
    axes: np.ndarray
    taper: float
    sulcus_width: float
    ventricles: float
    cisterns: float
    tilt: float


def random_head(anatomy: Anatomy, rng: np.random.Generator) -> Head:
    """Return the outlines of one random patient of the population."""
    diameters = np.array([anatomy.brain_width, anatomy.brain_length, anatomy.brain_height])
    return Head(
        centre=np.array([0.0, -3.0, 6.0]),
        axes=diameters / 2 * rng.normal(1, anatomy.size_sd, 3),
        taper=anatomy.taper,
        sulcus_width=max(0.4, rng.normal(anatomy.sulcus_width, anatomy.sulcus_width_sd)),
        ventricles=float(np.exp(rng.normal(np.log(anatomy.ventricle_size), anatomy.ventricle_size_sd))),
        cisterns=float(np.exp(rng.normal(np.log(anatomy.cistern_size), anatomy.cistern_size_sd))),
        tilt=rng.normal(0, 0.03),
    )


def radius_ratio(head: Head, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Return the distance from the brain's centre as a share of the surface's: 1 on the (smooth) surface."""
    y0, z0 = (y - head.centre[1]) / head.axes[1], (z - head.centre[2]) / head.axes[2]
    x0 = (x - head.centre[0]) / (head.axes[0] * (1 - head.taper * np.clip(y0, -1, 1.3)))
    return np.sqrt(x0 * x0 + y0 * y0 + z0 * z0)


def skull_base(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the height of the skull base in template mm: clivus, occiput, fossae and petrous ridge."""
    x = np.abs(x)
    clivus = -18 - 0.5 * np.clip(x - 9, 0, 45)  # the petrous ridges run backwards and outwards
    floor = -60 + 50 / (1 + np.exp(-(y - clivus) / 3)) + 0.30 * np.clip(y - 8, 0, 60)
    floor = floor - 12 * np.exp(-(((x - 36) / 13) ** 2) - ((y - 12) / 20) ** 2)  # temporal pole
    floor = floor + 6 * np.exp(-(((x - 24) / 11) ** 2) - ((y - 48) / 22) ** 2)  # orbital roof
    return floor + 5 * np.exp(-(((x - 26) / 13) ** 2) - ((y - clivus - 2) / 8) ** 2)  # petrous ridge


def depth_below_surface(
    head: Head, x: np.ndarray, y: np.ndarray, z: np.ndarray, *, bumps: np.ndarray | float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the depth in template mm under the brain surface and under its vault alone; negative outside.

    The brain ends at the vault or at the skull base. Coordinates broadcast; `bumps` in mm raise the surface.
    """
    vault = (1 - radius_ratio(head, x, y, z)) * np.float32(head.axes[0] * 1.05) + bumps
    above = (z - skull_base(x, y).astype(np.float32) + 1.25 * bumps) * np.float32(0.85)
    return np.minimum(vault, above), vault
