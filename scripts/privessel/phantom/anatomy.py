"""The head around the arteries: brain surface, skull base, sulci, ventricles, cisterns, skull and scalp.

Shapes are hand-placed on anatomical landmarks (Rhoton, Cranial Anatomy and Surgical Approaches, 2003; proportions of
the ICBM 152 average); they aim at what a vessel detector may confuse with arteries, not at an atlas.
"""

from dataclasses import dataclass

import numpy as np

from privessel.phantom.fields import Field, Lattice, lattice, smooth_field, smoothstep, stretch
from privessel.phantom.frame import Frame
from privessel.phantom.parameters import knob


@dataclass(frozen=True)
class Anatomy:
    """Heads of a population: nominal sizes and how much patients differ. Lengths in template mm."""

    brain_width: float = knob(
        126, "mm", 120, 134, "adult brain widths (ICBM 152: about 140 with CSF, 130 without)"
    )
    brain_length: float = knob(
        158, "mm", 150, 168, "ICBM 152: about 175 pole to pole, less in axial slabs above the base"
    )
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
class Levels:
    """Brightness of tissues, in units of unsaturated blood."""

    wm: float
    gm: float
    csf: float
    fat: float
    skull: float
    muscle: float
    marrow: float
    plexus: float
    air: float


@dataclass(frozen=True)
class Head:
    """One patient's outlines: centre and semi-axes of the brain in template mm, and the factors drawn for it."""

    centre: np.ndarray
    axes: np.ndarray
    taper: float
    sulcus_width: float
    ventricles: float
    cisterns: float
    tilt: float


@dataclass(frozen=True)
class Textures:
    """Random fields one patient's tissue is made of; `surface` is `bumps` on the voxels."""

    bumps: Lattice
    surface: Field
    medium: Field
    fine: Field
    sulci: Field


def draw_head(anatomy: Anatomy, rng: np.random.Generator) -> Head:
    """Outlines of one patient of the population."""
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
    """Distance from the brain's centre as a share of the surface's, 1 on the (smooth) surface."""
    y0, z0 = (y - head.centre[1]) / head.axes[1], (z - head.centre[2]) / head.axes[2]
    x0 = (x - head.centre[0]) / (head.axes[0] * (1 - head.taper * np.clip(y0, -1, 1.3)))
    return np.sqrt(x0 * x0 + y0 * y0 + z0 * z0)


def skull_base(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Height of the skull base, template mm: clivus and occiput, anterior and middle fossa, petrous ridge."""
    x = np.abs(x)
    clivus = -18 - 0.5 * np.clip(x - 9, 0, 45)  # the petrous ridges run backwards and outwards
    floor = -60 + 50 / (1 + np.exp(-(y - clivus) / 3)) + 0.30 * np.clip(y - 8, 0, 60)
    floor = floor - 12 * np.exp(-(((x - 36) / 13) ** 2) - ((y - 12) / 20) ** 2)  # temporal pole
    floor = floor + 6 * np.exp(-(((x - 24) / 11) ** 2) - ((y - 48) / 22) ** 2)  # orbital roof
    return floor + 5 * np.exp(-(((x - 26) / 13) ** 2) - ((y - clivus - 2) / 8) ** 2)  # petrous ridge


def depth_below_surface(
    head: Head, x: np.ndarray, y: np.ndarray, z: np.ndarray, *, bumps: np.ndarray | float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Depth in template mm under the brain surface and under its vault alone; negative outside.

    The brain ends at the vault or at the skull base. Coordinates broadcast; `bumps` in mm raise the surface.
    """
    vault = (1 - radius_ratio(head, x, y, z)) * np.float32(head.axes[0] * 1.05) + bumps
    above = (z - skull_base(x, y).astype(np.float32) + 1.25 * bumps) * np.float32(0.85)
    return np.minimum(vault, above), vault


def draw_textures(frame: Frame, anatomy: Anatomy, head: Head, rng: np.random.Generator) -> Textures:
    """Random fields of one patient."""
    bumps = lattice(rng, frame, 26.0)
    medium, fine = (smooth_field(rng, frame, pitch) for pitch in (6.0, 2.4))
    return Textures(bumps, stretch(bumps, frame), medium, fine, sulcal_distance(frame, anatomy, head, rng))


def sulcal_distance(frame: Frame, anatomy: Anatomy, head: Head, rng: np.random.Generator) -> Field:
    """Approximate distance in template mm to the nearest sulcus.

    Sulci are the zero sheets of two random fields that are stretched along the radius, so that the sheets stand on
    the surface. Made on a grid of 1.3 mm (or of the voxels, if coarser) and interpolated.
    """
    pitch = max(1.3, float(frame.step.max()))
    origin, end = np.asarray(frame.origin), np.asarray(frame.origin) + frame.step * frame.shape
    x, y, z = (np.arange(a, b + 2 * pitch, pitch) for a, b in zip(origin, end, strict=True))
    x, y, z = x[:, None, None], y[:, None], z
    stretch_out = np.maximum(radius_ratio(head, x, y, z), 0.2) ** -0.75
    points = [(p - c) * stretch_out + c for p, c in zip((x, y, z), head.centre, strict=True)]
    distance = np.full(stretch_out.shape, np.inf)
    for width in (anatomy.gyrus_width, 2 * anatomy.gyrus_width):
        pattern = (
            lattice(rng, frame, width)
            .at(np.stack(points, -1).reshape(-1, 3), order=1)
            .reshape(distance.shape)
        )
        slope = np.sqrt(sum(g * g for g in np.gradient(pattern, pitch)))
        distance = np.minimum(distance, np.abs(pattern) / np.maximum(slope, 0.3 / width))
    return stretch(Lattice(np.minimum(distance, 20.0), origin, pitch), frame)


def brain_tissue(
    depth: np.ndarray,
    vault: np.ndarray,
    sulcus: np.ndarray,
    texture: np.ndarray,
    *,
    anatomy: Anatomy,
    head: Head,
    levels: Levels,
) -> np.ndarray:
    """Brightness of brain voxels from depth under the surface and the vault, and distance to a sulcus, template mm."""
    half = head.sulcus_width / 2
    reach = smoothstep((anatomy.sulcus_depth - vault) / 5)
    grey = np.maximum(
        smoothstep((anatomy.cortex + half - sulcus) / 0.9 + 0.5)
        * smoothstep((anatomy.sulcus_depth + 2 - vault) / 5),
        smoothstep((anatomy.cortex + 1.5 - depth) / 1.0),
    )
    tissue = levels.wm + (levels.gm - levels.wm) * grey + 0.012 * texture
    fluid = smoothstep((half - sulcus) / 0.7 + 0.5) * reach * 0.95
    fluid = np.maximum(fluid, smoothstep((1.3 - depth) / 0.8))
    return tissue + (levels.csf - tissue) * fluid


def shell_tissue(
    height: np.ndarray,
    texture: np.ndarray,
    fine: np.ndarray,
    bumps: np.ndarray,
    *,
    anatomy: Anatomy,
    levels: Levels,
) -> np.ndarray:
    """Brightness of voxels `height` template mm above the brain: CSF, skull with marrow, scalp, air."""
    inner, outer = 1.2, 1.2 + anatomy.skull
    middle = (inner + outer) / 2
    marrow = smoothstep(1 - np.abs(height - middle) / (0.25 * anatomy.skull)) * smoothstep(
        0.5 * texture + 0.5
    )
    bone = levels.skull + 0.6 * (levels.marrow - levels.skull) * marrow
    skin = levels.muscle + (levels.fat - levels.muscle) * smoothstep(0.45 + 0.5 * fine + 0.3 * texture)
    value = np.where(height < inner, np.float32(levels.csf), bone)
    value = np.where(height > outer, skin * smoothstep(0.35 + (height - outer) / 2.2), value)
    return np.where(height > outer + anatomy.scalp + bumps, np.float32(levels.air), value)


def base_tissue(texture: np.ndarray, fine: np.ndarray, *, levels: Levels) -> np.ndarray:
    """Brightness of the skull base: marrow riddled with air cells."""
    return np.clip(0.8 * levels.marrow + 0.09 * texture + 0.07 * fine, 0.02, 1.5 * levels.marrow)


def paint_tissue(
    frame: Frame, anatomy: Anatomy, head: Head, textures: Textures, levels: Levels
) -> tuple[np.ndarray, np.ndarray]:
    """Image of the head without deep structures and vessels, and depth under the brain surface in template mm.

    Both float32 (nx, ny, nz), made a few rows at a time.
    """
    x, y, z = frame.axes()
    image = np.empty(frame.shape, np.float32)
    depth = np.empty(frame.shape, np.float32)
    reach = 3.0 + anatomy.skull + anatomy.scalp + 3 * 1.25 * anatomy.surface_sd
    for start in range(0, frame.shape[0], 4):
        rows = slice(start, min(start + 4, frame.shape[0]))
        bumps = np.float32(anatomy.surface_sd) * textures.surface.slab(rows)
        under, vault = depth_below_surface(head, x[rows], y, z, bumps=bumps)
        texture, fine, sulcus = (f.slab(rows) for f in (textures.medium, textures.fine, textures.sulci))
        value = np.full(under.shape, levels.air, np.float32)
        brain = under > 0
        shell = ~brain & (under > -reach)
        bone = (under < vault) & (under < -1.2) & (radius_ratio(head, x[rows], y, z) < 1.17)
        shell &= ~bone
        value[brain] = brain_tissue(
            under[brain],
            vault[brain],
            sulcus[brain],
            texture[brain],
            anatomy=anatomy,
            head=head,
            levels=levels,
        )
        value[shell] = shell_tissue(
            -under[shell], texture[shell], fine[shell], bumps[shell], anatomy=anatomy, levels=levels
        )
        value[bone] = base_tissue(texture[bone], fine[bone], levels=levels)
        image[rows], depth[rows] = value, under
    return image, depth


def brain_mask(depth: np.ndarray, textures: Textures, anatomy: Anatomy) -> np.ndarray:
    """Slightly wrong brain mask, bool, as brain extraction would give it."""
    mask = np.empty(depth.shape, bool)
    for start in range(0, depth.shape[0], 4):
        rows = slice(start, min(start + 4, depth.shape[0]))
        error = np.float32(anatomy.mask_error_sd) * textures.medium.slab(rows)
        mask[rows] = depth[rows] > np.float32(anatomy.mask_margin) + error
    return mask
