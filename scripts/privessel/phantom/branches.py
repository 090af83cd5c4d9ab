"""Branches of the trunks: space colonisation within each artery's territory, calibre by Murray's law."""

import numpy as np
from scipy.spatial import cKDTree

from privessel.phantom.anatomy import Head, depth_below_surface
from privessel.phantom.landmarks import FEEDERS, TERRITORIES
from privessel.phantom.vessels import Trunk, Vessels, blood_speed

Lines = tuple[np.ndarray, np.ndarray, np.ndarray]  # position (m, n, 3), radius (m, n), time (m, n) of m lines
INFLUENCE = 70.0  # mm; every target attracts its nearest node (Runions 2007, d_i as good as infinite)


def random_targets(head: Head, rng: np.random.Generator) -> np.ndarray:
    """Return random points (n, 3) that arteries grow towards: dense in the cortex, few in the deep nuclei."""
    n = 11000
    direction = rng.normal(size=(n, 3))
    direction /= np.linalg.norm(direction, axis=1)[:, None]
    surface = 1 / np.sqrt((direction**2 / head.axes**2).sum(1))
    cortex = head.centre + direction * (surface * rng.uniform(0.50, 0.985, n) ** 0.6)[:, None]
    deep = rng.uniform([-26, -24, 8], [26, 22, 34], (700, 3))
    points = np.concatenate([cortex[(cortex[:, 2] > -14) & (cortex[:, 2] < 66)], deep])
    return points[depth_below_surface(head, *points.T)[0] > 1.5]


def grow_territories(
    trunks: dict[tuple[str, int], Trunk], targets: np.ndarray, *, vessels: Vessels, rng: np.random.Generator
) -> list[Lines]:
    """Return the branches that feed each artery's territory on both sides, as straight segments."""
    pieces = []
    for side in (1, -1):
        on_side = targets[targets[:, 0] * side > 0]
        territory = nearest_territory(on_side + rng.normal(0, 5.0, on_side.shape), side)
        for artery, names in FEEDERS.items():
            feeders = [trunks[name, side] for name in names]
            wanted = on_side[territory == artery]
            # By Murray's law a feeder that ends with radius r feeds (r / leaf)^3 leaves.
            leaves = sum((feeder.radius[-1] / vessels.leaf_radius) ** 3 for feeder in feeders)
            wanted = wanted[rng.permutation(len(wanted))[: int(vessels.richness * leaves) + 4]]
            pieces.append(grow_branches(feeders, wanted, vessels=vessels, rng=rng))
    return [piece for piece in pieces if len(piece[0])]


def nearest_territory(points: np.ndarray, side: int) -> np.ndarray:
    """Return the name (n,) of the artery whose region is nearest to each point (n, 3) of one side."""
    names = [artery for artery, centres in TERRITORIES.items() for _ in centres]
    centres = np.array([centre for centres in TERRITORIES.values() for centre in centres]) * [side, 1, 1]
    return np.array(names)[cKDTree(centres).query(points)[1]]


def grow_branches(
    feeders: list[Trunk], targets: np.ndarray, *, vessels: Vessels, rng: np.random.Generator
) -> Lines:
    """Grow branches from the distal half of the feeders to the targets: segments of five points each."""
    parts = [np.r_[int(len(f.radius) * 0.55) : len(f.radius) : 5, len(f.radius) - 1] for f in feeders]
    roots = np.concatenate([f.position[part] for f, part in zip(feeders, parts, strict=True)])
    start = np.concatenate([f.time[part] for f, part in zip(feeders, parts, strict=True)])
    widest = 0.95 * max(f.radius[part].max() for f, part in zip(feeders, parts, strict=True))
    nodes, parent = colonise(
        roots,
        targets,
        step=vessels.growth_step,
        kill=vessels.kill_distance,
        wander=vessels.wander,
        rng=rng,
    )
    thinnest = vessels.leaf_radius * np.exp(rng.normal(0, vessels.leaf_jitter, len(nodes)))
    radius = np.minimum(murray_radii(parent, thinnest), widest)
    nodes = relax(nodes, parent, rounds=3)
    grown = np.flatnonzero(parent >= 0)
    before = parent[grown]
    delay = np.zeros(len(nodes))
    delay[grown] = np.linalg.norm(nodes[grown] - nodes[before], axis=1) / blood_speed(radius[grown], vessels)
    time = np.concatenate([start, np.zeros(len(grown))])
    for child, origin in zip(grown.tolist(), before.tolist(), strict=True):  # parents come first
        time[child] = time[origin] + delay[child]
    s = np.linspace(0, 1, 5)
    # A branch is hardly wider where it leaves its parent than further on, and a root lies inside the trunk.
    wide = np.where(parent[before] >= 0, np.minimum(radius[before], 1.25 * radius[grown]), radius[grown])
    position = nodes[before, None] + (nodes[grown] - nodes[before])[:, None] * s[:, None]
    return (
        position,
        wide[:, None] + (radius[grown] - wide)[:, None] * s,
        time[before, None] + delay[grown, None] * s,
    )


def colonise(
    roots: np.ndarray,
    targets: np.ndarray,
    *,
    step: float,
    kill: float,
    wander: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Return nodes (n, 3) and parents (n,; -1 for the roots) of a tree grown to the targets (Runions 2007).

    Every target pulls its nearest node; a pulled node grows by `step`; reached targets are dropped.
    """
    nodes, parent = roots.copy(), np.full(len(roots), -1)
    for _ in range(140):
        if not len(targets):
            break
        tree = cKDTree(nodes)
        distance, nearest = tree.query(targets, distance_upper_bound=INFLUENCE)
        near = np.isfinite(distance)
        if not near.any():
            break
        pull = (targets[near] - nodes[nearest[near]]) / np.maximum(distance[near], 1e-6)[:, None]
        total = np.zeros_like(nodes)
        np.add.at(total, nearest[near], pull)
        norm = np.linalg.norm(total, axis=1)
        pulled = np.flatnonzero(norm > 0.05)
        direction = total[pulled] / norm[pulled, None] + rng.normal(0, wander, (len(pulled), 3))
        grown = nodes[pulled] + step * direction / np.linalg.norm(direction, axis=1)[:, None]
        fresh = tree.query(grown)[0] >= 0.35 * step
        if not fresh.any():
            break
        nodes = np.concatenate([nodes, grown[fresh]])
        parent = np.concatenate([parent, pulled[fresh]])
        targets = targets[cKDTree(grown[fresh]).query(targets)[0] > kill]
    return nodes, parent


def murray_radii(parent: np.ndarray, thinnest: np.ndarray) -> np.ndarray:
    """Return radii (n,): the cube of a node's is the sum of its children's (Murray 1926, PNAS 12:207).

    `parent` (n,) holds -1 for roots, and parents come before their children. A node without children has the
    radius `thinnest`.
    """
    cube = np.where(np.bincount(parent[parent >= 0], minlength=len(parent)) == 0, thinnest**3, 0.0).tolist()
    for child, origin in reversed(list(enumerate(parent.tolist()))):
        if origin >= 0:
            cube[origin] += cube[child]
    return np.cbrt(cube)


def relax(nodes: np.ndarray, parent: np.ndarray, *, rounds: int) -> np.ndarray:
    """Return nodes whose bends are smooth: inner ones move half-way to the middle of parent and children."""
    nodes = nodes.copy()
    grown = np.flatnonzero(parent >= 0)
    children = np.bincount(parent[grown], minlength=len(nodes))
    inner = grown[children[grown] > 0]
    for _ in range(rounds):
        total = np.zeros_like(nodes)
        np.add.at(total, parent[grown], nodes[grown])
        middle = 0.5 * (nodes[parent[inner]] + total[inner] / children[inner, None])
        nodes[inner] = 0.5 * (nodes[inner] + middle)
    return nodes
