"""Random fields that give tissue its texture: bumps, mottle, the pattern of the sulci."""

from dataclasses import dataclass

import numpy as np

from privessel.phantom.anatomy import Anatomy, Head, radius_ratio
from privessel.phantom.fields import Field, Lattice, interpolate, random_field, random_lattice
from privessel.phantom.frame import Frame


@dataclass(frozen=True)
class Textures:
    """Random fields of one patient's tissue; `surface` is `bumps` interpolated on the voxels."""

    bumps: Lattice
    surface: Field
    medium: Field
    fine: Field
    sulci: Field


def random_textures(frame: Frame, anatomy: Anatomy, head: Head, rng: np.random.Generator) -> Textures:
    """Return the random fields of one patient."""
    bumps = random_lattice(rng, frame, 26.0)
    medium, fine = (random_field(rng, frame, pitch) for pitch in (6.0, 2.4))
    sulci = sulcal_distance(frame, anatomy, head, rng)
    return Textures(bumps, interpolate(bumps, frame), medium, fine, sulci)


def sulcal_distance(frame: Frame, anatomy: Anatomy, head: Head, rng: np.random.Generator) -> Field:
    """Return the approximate distance in template mm to the nearest sulcus.

    Sulci are the surfaces on which one of two random fields is zero. The fields are stretched along the
    radius, so that these surfaces stand upright on the brain's. Computed on a grid of 1.3 mm (or of the
    voxels, if they are larger) and interpolated.
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
            random_lattice(rng, frame, width)
            .at(np.stack(points, -1).reshape(-1, 3), order=1)
            .reshape(distance.shape)
        )
        slope = np.sqrt(sum(g * g for g in np.gradient(pattern, pitch)))
        distance = np.minimum(distance, np.abs(pattern) / np.maximum(slope, 0.3 / width))
    return interpolate(Lattice(np.minimum(distance, 20.0), origin, pitch), frame)
