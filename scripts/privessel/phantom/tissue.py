"""Brain, skull, scalp and skull base as brightness, and the brain mask."""

from dataclasses import dataclass

import numpy as np

from privessel.phantom.anatomy import Anatomy, Head, depth_below_surface, radius_ratio
from privessel.phantom.fields import smoothstep
from privessel.phantom.frame import Frame
from privessel.phantom.textures import Textures


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
    """Return the brightness of brain voxels from their depth and their distance to a sulcus.

    Template mm: `depth` under the surface, `vault` under the vault alone, from which sulci reach inwards.
    """
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
    """Return the brightness of voxels `height` template mm above the brain: CSF, skull, scalp, air."""
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
    """Return the brightness of the skull base: marrow with many small air cells."""
    return np.clip(0.8 * levels.marrow + 0.09 * texture + 0.07 * fine, 0.02, 1.5 * levels.marrow)


def paint_tissue(
    frame: Frame, anatomy: Anatomy, head: Head, textures: Textures, levels: Levels
) -> tuple[np.ndarray, np.ndarray]:
    """Return the head without deep structures and vessels, and the depth under the brain surface.

    Both are float32 (nx, ny, nz), the depth in template mm; a few rows at a time are in memory.
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
    """Return a slightly wrong brain mask, bool, as brain extraction would give it."""
    mask = np.empty(depth.shape, bool)
    for start in range(0, depth.shape[0], 4):
        rows = slice(start, min(start + 4, depth.shape[0]))
        error = np.float32(anatomy.mask_error_sd) * textures.medium.slab(rows)
        mask[rows] = depth[rows] > np.float32(anatomy.mask_margin) + error
    return mask
