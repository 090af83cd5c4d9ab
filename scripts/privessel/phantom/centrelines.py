"""All vessels of one patient as one list of points: arteries with their transit times, and veins."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from privessel.phantom.anatomy import Anatomy, Head, radius_ratio
from privessel.phantom.branches import grow_territories, random_targets
from privessel.phantom.fields import Lattice, random_lattice
from privessel.phantom.frame import Frame
from privessel.phantom.landmarks import CORTICAL_VEIN, VEINS
from privessel.phantom.vessels import Vessels, random_trunks, spline


@dataclass(frozen=True)
class Centreline:
    """Points along tubes: position (n, 3), radius, transit time (s), tangent (n, 3), distance to next."""

    position: np.ndarray
    radius: np.ndarray
    time: np.ndarray
    tangent: np.ndarray
    pitch: np.ndarray


def random_arteries(vessels: Vessels, head: Head, frame: Frame, rng: np.random.Generator) -> Centreline:
    """Return all arteries of one patient, in template mm; radii are those of the full-size head."""
    bend = random_bends(vessels, frame, rng)
    trunks = random_trunks(vessels, rng)
    pieces = [(t.position, t.radius, t.time) for t in trunks.values()]
    targets = random_targets(head, rng)
    pieces += grow_territories(trunks, targets, vessels=vessels, rng=rng)
    return join([(bend(position), radius, time) for position, radius, time in pieces])


def random_veins(
    vessels: Vessels, anatomy: Anatomy, head: Head, bumps: Lattice, frame: Frame, rng: np.random.Generator
) -> Centreline:
    """Return deep veins, straight and transverse sinus, and cortical veins that drain to the sagittal sinus.

    `bumps` is the lattice of the brain surface's bumps, on which the cortical veins lie. Transit times are 0.
    """
    bend = random_bends(vessels, frame, rng)
    scale = vessels.vein_calibre * np.exp(rng.normal(0, vessels.calibre_sd))
    lines = []
    for points, paired in VEINS:
        for side in (1, -1) if paired else (1,):
            samples = spline(np.asarray(points) * [side, 1, 1, 1])
            lines.append((bend(samples[:, :3]), samples[:, 3] * scale))
    for side in (1, -1):
        for _ in range(round(vessels.cortical_veins)):
            course = bend(_cortical_vein(head, side, rng))
            course = _lay_on_surface(course, head, bumps, anatomy=anatomy, depth=1.8)
            course = spline(course)
            lines.append((course, np.linspace(*CORTICAL_VEIN, len(course)) * scale))
    return join([(position, radius, np.zeros(len(radius))) for position, radius in lines])


def random_bends(
    vessels: Vessels, frame: Frame, rng: np.random.Generator
) -> Callable[[np.ndarray], np.ndarray]:
    """Return a smooth random displacement of points (..., 3): it bends vessels and keeps junctions joined."""
    waves = [
        (amplitude, [random_lattice(rng, frame, pitch) for _ in range(3)])
        for amplitude, pitch in (
            (vessels.wave_amplitude, vessels.wave_pitch),
            (vessels.curl_amplitude, vessels.curl_pitch),
        )
    ]

    def bend(points: np.ndarray) -> np.ndarray:
        flat = points.reshape(-1, 3)
        moves = [amplitude * np.stack([axis.at(flat) for axis in axes], -1) for amplitude, axes in waves]
        return points + sum(moves).reshape(points.shape)

    return bend


def join(pieces: list[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> Centreline:
    """Return lines as one list of points; a line has position (..., n, 3), radius and time (..., n)."""
    slope = np.concatenate([np.gradient(position, axis=-2).reshape(-1, 3) for position, _, _ in pieces])
    position = np.concatenate([position.reshape(-1, 3) for position, _, _ in pieces])
    radius = np.concatenate([radius.ravel() for _, radius, _ in pieces])
    time = np.concatenate([time.ravel() for _, _, time in pieces])
    pitch = np.linalg.norm(slope, axis=1) + 1e-9
    return Centreline(position, radius, time, slope / pitch[:, None], pitch)


def _cortical_vein(head: Head, side: int, rng: np.random.Generator) -> np.ndarray:
    """Return the course (60, 3) of a vein that climbs from the lateral convexity to the sagittal sinus."""
    forward = rng.uniform(-1.1, 1.1)
    angle = np.linspace(rng.uniform(0.7, 1.2), 0.03, 60)
    lean = forward + 0.35 * (angle - angle[0]) * np.sign(forward)
    unit = np.stack([side * np.sin(angle), np.cos(angle) * np.sin(lean), np.cos(angle) * np.cos(lean)], -1)
    return head.centre + unit * head.axes


def _lay_on_surface(
    points: np.ndarray, head: Head, bumps: Lattice, *, anatomy: Anatomy, depth: float
) -> np.ndarray:
    """Move points (n, 3) along the radius until they lie `depth` template mm under the vault."""
    raised = anatomy.surface_sd * bumps.at(points)
    goal = 1 - (depth - raised) / (1.05 * head.axes[0])
    return head.centre + (points - head.centre) * (goal / radius_ratio(head, *points.T))[:, None]
