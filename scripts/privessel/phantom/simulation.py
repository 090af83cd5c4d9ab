"""One simulated patient from an integer seed."""

from dataclasses import dataclass

import numpy as np

from privessel.phantom.acquisition import (
    add_noise,
    blood_brightness,
    digitise,
    mark_vessels,
    shade,
)
from privessel.phantom.anatomy import random_head
from privessel.phantom.centrelines import Centreline, random_arteries, random_veins
from privessel.phantom.frame import Frame, fit_frame
from privessel.phantom.raster import Tubes, rasterise_tubes
from privessel.phantom.sets import FIXED, SETS, STREAMS, Parameters, draw_setting
from privessel.phantom.structures import paint_fissure, paint_sagittal_sinus, paint_structures
from privessel.phantom.textures import random_textures
from privessel.phantom.tissue import brain_mask, paint_tissue


@dataclass(frozen=True)
class Phantom:
    """A simulated scan (x, y, z) in RAS: image uint16, masks bool; spacing and affine in mm."""

    image: np.ndarray
    vessels: np.ndarray
    brain: np.ndarray
    spacing: tuple[float, float, float]
    affine: np.ndarray
    parameters: Parameters


def simulate(
    *,
    seed: int,
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    parameters: str | Parameters,
) -> Phantom:
    """Simulate the patient of a seed on a grid of `shape` voxels of `spacing` mm.

    parameters: the name of one of SETS, or a setting itself, such as one from `draw_setting`. The name of a
    family gives each seed a setting of its own.

    The same seed gives the same bytes on every run, and the same head and arteries in sets "a" and "b".
    Raises ValueError for an unknown set or a grid that is not three positive numbers.
    """
    if isinstance(parameters, str) and parameters not in SETS:
        raise ValueError(
            f"phantom parameters {parameters!r} are not known. Remedy: choose one of {', '.join(SETS)}"
        )
    if len(shape) != 3 or len(spacing) != 3 or min(shape) < 8 or min(spacing) <= 0:
        raise ValueError(
            f"phantom grid of {shape} voxels of {spacing} mm. Remedy: give shape and spacing three numbers "
            "each, at least 8 voxels and more than 0 mm"
        )
    rng = {name: np.random.default_rng([seed, i]) for i, name in enumerate(STREAMS)}
    knobs = parameters
    if isinstance(knobs, str):
        knobs = FIXED[knobs] if knobs in FIXED else draw_setting(knobs, seed=seed)
    frame = fit_frame(shape=shape, spacing=spacing)
    acquisition = knobs.acquisition

    head = random_head(knobs.anatomy, rng["head"])
    textures = random_textures(frame, knobs.anatomy, head, rng["texture"])
    image, depth = paint_tissue(frame, knobs.anatomy, head, textures, acquisition.levels)
    paint_structures(image, depth, frame=frame, head=head, textures=textures, levels=acquisition.levels)
    paint_fissure(image, depth, frame=frame, head=head, textures=textures, level=acquisition.csf)
    brain = brain_mask(depth, textures, knobs.anatomy)

    paint_sagittal_sinus(image, depth, frame=frame, level=acquisition.sinus)
    veins = random_veins(knobs.vessels, knobs.anatomy, head, textures.bumps, frame, rng["veins"])
    share, signal = _rasterise(veins, np.full(len(veins.radius), acquisition.vein), frame, acquisition.psf)
    _blend(image, share, signal)
    arteries = random_arteries(knobs.vessels, head, frame, rng["arteries"])
    brightness = blood_brightness(arteries, acquisition, frame, rng["flow"])
    share, signal = _rasterise(arteries, brightness, frame, acquisition.psf)
    _blend(image, share, signal)
    vessels = mark_vessels(share, signal, brain, acquisition)
    del share, signal, depth

    shade(image, frame, acquisition, rng["coil"])
    sigma = acquisition.sigma * np.exp(rng["noise"].normal(0, acquisition.sigma_sd))
    image = add_noise(image, sigma=sigma, correlation=acquisition.noise_correlation, rng=rng["noise"])
    return Phantom(
        digitise(image, gain=acquisition.gain), vessels, brain, tuple(spacing), frame.affine, knobs
    )


def _rasterise(
    lines: Centreline, brightness: np.ndarray, frame: Frame, psf: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return occupancy and signal of vessels on the frame's voxels.

    In a head shrunk by a factor, radii shrink by its square root only, so that vessels stay visible.
    """
    tubes = Tubes(
        position=lines.position * frame.scale,
        radius=lines.radius * frame.scale**0.5,
        brightness=brightness,
        tangent=lines.tangent,
        pitch=lines.pitch * frame.scale,
    )
    return rasterise_tubes(
        tubes,
        shape=frame.shape,
        spacing=frame.spacing,
        origin=np.asarray(frame.origin) * frame.scale,
        psf=psf,
    )


def _blend(image: np.ndarray, share: np.ndarray, signal: np.ndarray) -> None:
    """Mix blood into the image, in place, where it fills a share of the voxels."""
    for rows in range(len(image)):
        image[rows] += signal[rows] - share[rows] * image[rows]
