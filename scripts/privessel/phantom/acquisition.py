"""The simulated scanner: inflow, flip-angle ramp, slabs, dephasing, coil bias and noise of an image."""

import math
from dataclasses import dataclass

import numpy as np
from skimage.morphology import remove_small_objects

from privessel.phantom.centrelines import Centreline
from privessel.phantom.fields import random_field, random_lattice
from privessel.phantom.frame import FULL_SLAB, Frame
from privessel.phantom.parameters import knob
from privessel.phantom.tissue import Levels


@dataclass(frozen=True)
class Acquisition:
    """A 3-D multi-slab TOF sequence at 3 T. Brightness in units of unsaturated blood."""

    wm: float = knob(0.36, "level", 0.30, 0.46, "white matter; blood-to-brain contrast 2-3 in TOF at 3 T")
    gm: float = knob(0.325, "level", 0.27, 0.41, "grey matter, longer T1 than white")
    csf: float = knob(0.18, "level", 0.10, 0.27, "T1 about 4 s: nearly saturated")
    fat: float = knob(0.50, "level", 0.40, 0.65, "short T1, out of phase at the usual TE of 3.4-3.9 ms")
    skull: float = knob(0.07, "level", 0.04, 0.10, "cortical bone: hardly any signal")
    muscle: float = knob(0.27, "level", 0.20, 0.36, "muscle and skin")
    marrow: float = knob(0.27, "level", 0.18, 0.40, "fatty marrow out of phase")
    plexus: float = knob(0.42, "level", 0.34, 0.52, "choroid plexus: perfused, brighter than brain")
    air: float = knob(0.012, "level", 0.005, 0.02, "artefacts only")
    blood: float = knob(1.0, "level", 0.9, 1.15, "arterial blood entering the slab")
    vein: float = knob(
        0.42, "level", 0.32, 0.58, "venous blood under a moving saturation band: little above brain"
    )
    sinus: float = knob(0.46, "level", 0.34, 0.62, "sagittal sinus")
    saturated: float = knob(
        0.33,
        "share",
        0.22,
        0.42,
        "blood after many pulses: (1 - E1) / (1 - E1 cos a), 0.22 at 18 deg, plus ramp",
    )
    inflow: float = knob(
        0.68, "s", 0.40, 1.0, "decay of inflow: TR / -ln(E1 cos a) = 0.35 s, longer with a ramp and pulsation"
    )
    inflow_sd: float = knob(0.10, "share", 0.03, 0.15, "SD between patients: cardiac output")
    ramp: float = knob(
        0.16, "share", 0.0, 0.3, "gain from 20 mm to 65 mm by the ramped flip angle (TONE; Atkinson 1994)"
    )
    dephasing: float = knob(0.10, "share", 0.03, 0.18, "SD of signal loss and gain by irregular flow")
    swirl: float = knob(9.0, "mm", 6, 14, "distance over which that loss changes")
    slabs: float = knob(3.0, "count", 2, 5, "slabs in 89 mm (MOTSA; Blatter 1991)")
    seam: float = knob(0.06, "share", 0.02, 0.16, "loss at a slab's edge: the Venetian blind artefact")
    psf: float = knob(
        0.26, "mm", 0.22, 0.36, "SD of the point spread: half a voxel of 0.5 mm, larger with filtering"
    )
    bias: float = knob(
        0.46, "log", 0.25, 0.65, "strength of coil shading: edge brighter than centre, and random"
    )
    bias_radial: float = knob(
        0.55, "share", 0.4, 0.7, "of the shading's logarithm rising from centre to edge, the rest random"
    )
    bias_pitch: float = knob(
        60.0, "mm", 45, 80, "distance over which the random shading changes: coil elements"
    )
    sigma: float = knob(
        0.039, "level", 0.028, 0.060, "SD of noise in each channel: blood SNR 24, brain SNR 8.5"
    )
    sigma_sd: float = knob(0.10, "share", 0.03, 0.15, "SD of noise between patients")
    noise_correlation: float = knob(
        0.06, "weight", 0.0, 0.15, "share of each neighbour in plane: zero filling and filtering"
    )
    gain: float = knob(200.0, "grey levels", 150, 260, "grey levels of unsaturated blood; 12-bit range")
    gain_sd: float = knob(0.05, "share", 0.02, 0.1, "SD of the receiver's gain between patients")
    marked_share: float = knob(
        0.38, "share", 0.3, 0.5, "readers mark voxels that blood fills at least this far"
    )
    marked_contrast: float = knob(1.6, "noise SD", 1.2, 2.2, "and that stand out from brain by at least this")
    marked_size: float = knob(5.0, "voxels", 1, 10, "readers skip smaller specks")
    slab_loss: float = knob(
        0.0, "share", 0.0, 0.4, "blood is darker by this share where it leaves a slab than where it enters"
    )

    @property
    def levels(self) -> Levels:
        """Brightness of the tissues."""
        return Levels(
            self.wm, self.gm, self.csf, self.fat, self.skull, self.muscle, self.marrow, self.plexus, self.air
        )


ACQUISITIONS = {
    "A": Acquisition(),
    "B": Acquisition(
        wm=0.40,
        gm=0.36,
        csf=0.23,
        fat=0.60,
        skull=0.09,
        muscle=0.33,
        marrow=0.34,
        plexus=0.47,
        vein=0.47,
        sinus=0.52,
        saturated=0.34,
        inflow=0.63,
        seam=0.12,
        psf=0.32,
        bias=0.55,
        sigma=0.045,
    ),
}

BITS = 12


def blood_brightness(
    arteries: Centreline, acquisition: Acquisition, frame: Frame, rng: np.random.Generator
) -> np.ndarray:
    """Return the brightness (n,) of points in arteries: saturation, flip-angle ramp, irregular flow."""
    decay = acquisition.inflow * np.exp(rng.normal(0, acquisition.inflow_sd))
    saturation = acquisition.saturated + (1 - acquisition.saturated) * np.exp(-arteries.time / decay)
    ramp = np.clip(1 + acquisition.ramp * (arteries.position[:, 2] - 20) / 45, 0.8, 1.2)
    swirl = random_lattice(rng, frame, acquisition.swirl).at(arteries.position)
    flow = np.clip(1 + acquisition.dephasing * swirl, 0.6, 1.15)
    return acquisition.blood * saturation * ramp * flow * slab_inflow(arteries.position, frame, acquisition)


def slab_inflow(position: np.ndarray, frame: Frame, acquisition: Acquisition) -> np.ndarray:
    """Return the gain (n,) of blood at points (n, 3): it falls while blood crosses a slab from below.

    Each slab is measured by itself, so blood that enters the next one is fresh again.
    """
    height = position[:, 2] - frame.origin[2] + frame.step[2] / 2
    crossed = np.mod(height / (frame.shape[2] * frame.step[2]) * count_slabs(frame, acquisition), 1)
    return 1 + acquisition.slab_loss * (0.5 - crossed)


def count_slabs(frame: Frame, acquisition: Acquisition) -> int:
    """Return how many slabs the volume is measured in, at least two."""
    return max(2, round(acquisition.slabs * frame.shape[2] * frame.step[2] / FULL_SLAB))


def slab_profile(frame: Frame, acquisition: Acquisition) -> np.ndarray:
    """Return the gain (nz,) along the slabs: it dips where two of them meet, not at the volume's ends."""
    slabs = count_slabs(frame, acquisition)
    place = (np.arange(frame.shape[2]) + 0.5) / frame.shape[2] * slabs
    nearest = np.round(place)
    inner = (nearest > 0) & (nearest < slabs)
    return 1 - acquisition.seam * inner * np.clip(1 - np.abs(place - nearest) / 0.12, 0, 1)


def shade(image: np.ndarray, frame: Frame, acquisition: Acquisition, rng: np.random.Generator) -> None:
    """Multiply coil bias, slab profile and receiver gain into `image`, in place."""
    x, y, _ = frame.axes()
    random = random_field(rng, frame, acquisition.bias_pitch)
    random_share = np.float32(acquisition.bias * (1 - acquisition.bias_radial))
    edge = np.float32(acquisition.bias * acquisition.bias_radial) * ((x / 78) ** 2 + (y / 96) ** 2 - 0.5)
    profile = slab_profile(frame, acquisition) * np.exp(rng.normal(0, acquisition.gain_sd))
    for start in range(0, frame.shape[0], 8):
        rows = slice(start, min(start + 8, frame.shape[0]))
        bias = np.exp(random_share * random.slab(rows) + edge[rows])
        image[rows] *= bias * profile.astype(np.float32)


def add_noise(image: np.ndarray, *, sigma: float, correlation: float, rng: np.random.Generator) -> np.ndarray:
    """Return the magnitude of `image` plus complex Gaussian noise of SD `sigma` a channel: Rician noise.

    The noise is mixed with `correlation` of each in-plane neighbour, keeping its SD. Overwrites `image`.
    Gudbjartsson and Patz 1995, Magn Reson Med 34:910.
    """
    image += np.float32(sigma) * _correlated_noise(image.shape, correlation, rng)
    np.square(image, out=image)
    imaginary = np.float32(sigma) * _correlated_noise(image.shape, correlation, rng)
    image += np.square(imaginary, out=imaginary)
    return np.sqrt(image, out=image)


def digitise(image: np.ndarray, *, gain: float) -> np.ndarray:
    """Return the grey levels of a 12-bit scanner, uint16."""
    return np.clip(image * np.float32(gain), 0, 2**BITS - 1).astype(np.uint16)


def mark_vessels(
    occupancy: np.ndarray, signal: np.ndarray, brain: np.ndarray, acquisition: Acquisition
) -> np.ndarray:
    """Return the voxels a reader would mark, bool: mostly blood, brighter than brain, no specks."""
    contrast = signal - occupancy * np.float32(acquisition.wm)
    marked = (occupancy > acquisition.marked_share) & (
        contrast > acquisition.marked_contrast * acquisition.sigma
    )
    largest_speck = math.ceil(acquisition.marked_size) - 1
    return remove_small_objects(marked & brain, max_size=largest_speck, connectivity=3)


def _correlated_noise(shape: tuple[int, int, int], weight: float, rng: np.random.Generator) -> np.ndarray:
    """Return standard normal numbers, float32, correlated with their neighbours along the first two axes."""
    noise = rng.standard_normal((shape[0] + 2, shape[1] + 2, shape[2]), dtype=np.float32)
    unit = np.float32(1 / np.sqrt(1 + 2 * weight**2))
    side = np.float32(weight) * unit
    noise = unit * noise[1:-1] + side * (noise[2:] + noise[:-2])
    return unit * noise[:, 1:-1] + side * (noise[:, 2:] + noise[:, :-2])
