"""One simulated patient from an integer seed."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from privessel.phantom.acquisition import (
    ACQUISITIONS,
    Acquisition,
    add_noise,
    blood_brightness,
    digitise,
    mark_vessels,
    shade,
)
from privessel.phantom.anatomy import Anatomy, random_head
from privessel.phantom.centrelines import Centreline, random_arteries, random_veins
from privessel.phantom.frame import Frame, fit_frame
from privessel.phantom.parameters import random_knobs
from privessel.phantom.raster import Tubes, rasterise_tubes
from privessel.phantom.structures import paint_fissure, paint_sagittal_sinus, paint_structures
from privessel.phantom.textures import random_textures
from privessel.phantom.tissue import brain_mask, paint_tissue
from privessel.phantom.vessels import Vessels


@dataclass(frozen=True)
class Parameters:
    """Everything that decides a phantom besides its seed and grid."""

    anatomy: Anatomy
    vessels: Vessels
    acquisition: Acquisition


@dataclass(frozen=True)
class Phantom:
    """A simulated scan (x, y, z) in RAS: image uint16, masks bool; spacing and affine in mm."""

    image: np.ndarray
    vessels: np.ndarray
    brain: np.ndarray
    spacing: tuple[float, float, float]
    affine: np.ndarray
    parameters: Parameters


COHORT = Parameters(Anatomy(), Vessels(), ACQUISITIONS["A"])
SECOND_SCANNER = Parameters(Anatomy(), Vessels(), ACQUISITIONS["B"])
# A guess by somebody who never saw the cohort: thick smooth arteries that stay bright, and a clean scan.
GUESS = Parameters(
    Anatomy(sulcus_width=0.6, ventricle_size=0.75, cistern_size=0.8),
    Vessels(
        calibre=1.2, leaf_radius=0.36, richness=1.6, curl_amplitude=0.3, wave_amplitude=0.8, cortical_veins=4
    ),
    Acquisition(
        wm=0.30,
        gm=0.27,
        csf=0.10,
        blood=1.15,
        vein=0.34,
        sinus=0.36,
        saturated=0.42,
        inflow=1.0,
        psf=0.36,
        bias=0.25,
        sigma=0.028,
    ),
)


def random_parameters(rng: np.random.Generator) -> Parameters:
    """Return parameters whose every knob is set at random, uniformly in its range."""
    return Parameters(random_knobs(Anatomy, rng), random_knobs(Vessels, rng), random_knobs(Acquisition, rng))


SETS: dict[str, Callable[[np.random.Generator], Parameters]] = {
    "a": lambda rng: COHORT,
    "b": lambda rng: SECOND_SCANNER,
    "one": lambda rng: GUESS,
    "random": random_parameters,
}


def draw_setting(family: str, *, seed: int) -> Parameters:
    """Return one setting of a family of SETS, the same for the same seed; several patients may have it."""
    return SETS[family](np.random.default_rng(seed))


STREAMS = ("parameters", "head", "texture", "arteries", "veins", "flow", "coil", "noise")


def simulate(
    *,
    seed: int,
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    parameters: str | Parameters,
) -> Phantom:
    """Simulate the patient of a seed: grid of `shape` voxels and `spacing` mm, parameters or a set's name.

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
    knobs = SETS[parameters](rng["parameters"]) if isinstance(parameters, str) else parameters
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
