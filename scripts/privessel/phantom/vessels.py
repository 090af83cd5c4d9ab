"""The circle of Willis of one patient: landmarks, calibre, variants, transit time."""

from dataclasses import dataclass

import numpy as np
from scipy.interpolate import PchipInterpolator

from privessel.phantom.landmarks import TRUNKS
from privessel.phantom.parameters import knob


@dataclass(frozen=True)
class Vessels:
    """Arteries of a population: calibre, variants, branching, course and flow. Lengths in template mm."""

    calibre: float = knob(1.0, "factor", 0.85, 1.2, "all radii; the landmarks carry published means")
    calibre_sd: float = knob(
        0.09, "share", 0.05, 0.12, "SD between patients; with the next 12-13 % for ICA and M1 (Rai 2013)"
    )
    segment_sd: float = knob(0.08, "share", 0.03, 0.1, "SD between segments and sides of one patient")
    fetal_pcom: float = knob(0.12, "probability", 0.05, 0.3, "a side; 13 % of subjects in MRA of Macchi 1996")
    absent_pcom: float = knob(
        0.35, "probability", 0.15, 0.6, "a side; both under 1 mm in 28 % of 1,864 subjects (Hindenes 2020)"
    )
    hypoplastic_a1: float = knob(
        0.10, "probability", 0.03, 0.2, "a side; estimate, a few to ten percent of subjects"
    )
    hypoplasia: float = knob(
        0.5, "factor", 0.35, 0.7, "calibre of a hypoplastic A1 or P1; usual definition: under 1 mm or half"
    )
    fetal_calibre: float = knob(
        1.6, "factor", 1.4, 2.0, "calibre of a fetal PCom; the P1 of its side is hypoplastic"
    )
    smallest_communicating: float = knob(
        0.55, "factor", 0.4, 0.8, "lower end of the calibre of ACom and PCom"
    )
    largest_communicating: float = knob(1.2, "factor", 1.0, 1.5, "upper end of the calibre of ACom and PCom")
    smallest_va: float = knob(
        0.6, "factor", 0.4, 0.8, "lower end of a VA's calibre: V4 is 2.8 +- 0.6 mm wide (Rai 2013b)"
    )
    largest_va: float = knob(
        1.2, "factor", 1.05, 1.3, "upper end; each side is random: 28 % have a thin one (4-D flow MRI)"
    )
    leaf_radius: float = knob(
        0.28, "mm", 0.2, 0.36, "thinnest branch; pial arteries 0.1-0.4 mm, TOF sees down to about 0.25"
    )
    leaf_jitter: float = knob(0.12, "share", 0.0, 0.25, "SD of the thinnest branches' radius")
    richness: float = knob(
        2.6,
        "factor",
        1.6,
        3.6,
        "growth targets per branch that Murray's law grants; over 1 as many are missed",
    )
    growth_step: float = knob(1.7, "mm", 1.4, 2.2, "length of a grown segment (Runions 2007, D)")
    kill_distance: float = knob(
        2.6, "mm", 2.0, 3.4, "targets closer than this are reached (Runions 2007, d_k)"
    )
    wander: float = knob(0.28, "share", 0.1, 0.45, "random part of the growth direction")
    wave_amplitude: float = knob(
        1.5, "mm", 0.8, 2.2, "SD of the displacement of whole segments between patients"
    )
    wave_pitch: float = knob(22.0, "mm", 16, 30, "distance over which that displacement changes")
    curl_amplitude: float = knob(0.9, "mm", 0.3, 1.2, "SD of the tortuosity within segments")
    curl_pitch: float = knob(
        6.0, "mm", 5, 9, "distance over which tortuosity turns; M1-M2 bends are 5-10 mm apart"
    )
    speed: float = knob(300.0, "mm/s", 220, 420, "blood at radius 2 mm: ICA mean 250-400 mm/s")
    speed_exponent: float = knob(
        0.55, "1", 0.4, 0.8, "speed ~ radius^this; Murray's law gives 1, small arteries run faster"
    )
    vein_calibre: float = knob(1.0, "factor", 0.7, 1.3, "radii of sinuses and veins")
    cortical_veins: float = knob(9.0, "count", 4, 14, "bridging veins to the sagittal sinus, a side")


@dataclass(frozen=True)
class Trunk:
    """One segment of the circle of Willis: points (n, 3) in template mm, radius and arrival time."""

    position: np.ndarray
    radius: np.ndarray
    time: np.ndarray


def random_trunks(vessels: Vessels, rng: np.random.Generator) -> dict[tuple[str, int], Trunk]:
    """Return the segments of one random circle of Willis by (name, side), with its variants."""
    size = vessels.calibre * np.exp(rng.normal(0, vessels.calibre_sd))
    trunks: dict[tuple[str, int], Trunk] = {}
    variants = {side: random_variants(vessels, rng) for side in (1, -1)}
    for name, (parent, points, paired) in TRUNKS.items():
        for side in (1, -1) if paired else (1,):
            factor = variants[side].get(name, 1.0) * np.exp(rng.normal(0, vessels.segment_sd))
            if factor == 0:
                continue
            samples = spline(np.asarray(points) * [side, 1, 1, 1])
            position, radius = samples[:, :3], samples[:, 3] * size * factor
            if name == "p2" and variants[side]["p1"] != 1:
                radius = radius * np.where(
                    np.arange(len(radius)) < len(radius) // 5, variants[side]["p1"], 1.0
                )
            start = trunks[parent, side if (parent, side) in trunks else 1].time[-1] if parent else 0.0
            trunks[name, side] = Trunk(position, radius, start + transit_time(position, radius, vessels))
    return trunks


def random_variants(vessels: Vessels, rng: np.random.Generator) -> dict[str, float]:
    """Return random calibre factors of one side's variable segments; 0 = absent."""
    fetal = rng.random() < vessels.fetal_pcom
    absent = rng.random() < vessels.absent_pcom
    hypoplastic = rng.random() < vessels.hypoplastic_a1
    pcom, acom = rng.uniform(vessels.smallest_communicating, vessels.largest_communicating, 2)
    return {
        "va": rng.uniform(vessels.smallest_va, vessels.largest_va),
        "a1": vessels.hypoplasia if hypoplastic else 1.0,
        "pcom": vessels.fetal_calibre if fetal else 0.0 if absent else pcom,
        "p1": vessels.hypoplasia if fetal else 1.0,
        "acom": acom,
    }


def transit_time(position: np.ndarray, radius: np.ndarray, vessels: Vessels) -> np.ndarray:
    """Return the seconds (n,) that blood needs along a line from its first point."""
    length = np.linalg.norm(np.diff(position, axis=0, prepend=position[:1]), axis=1)
    return np.cumsum(length / blood_speed(radius, vessels))


def blood_speed(radius: np.ndarray, vessels: Vessels) -> np.ndarray:
    """Return the speed in template mm/s at a radius in template mm: blood is slower in small arteries."""
    return vessels.speed * (np.maximum(radius, 0.1) / 2.0) ** vessels.speed_exponent


def spline(points: np.ndarray, pitch: float = 0.45) -> np.ndarray:
    """Return a monotone cubic through points (n, 3 + k), every `pitch` mm of the first three columns."""
    points = np.asarray(points, float)
    along = np.r_[0, np.cumsum(np.linalg.norm(np.diff(points[:, :3], axis=0), axis=1))]
    return PchipInterpolator(along, points)(np.linspace(0, along[-1], max(2, int(along[-1] / pitch) + 1)))
