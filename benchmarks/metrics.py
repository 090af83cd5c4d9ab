"""How fast the measures are against the usual ways, as ratios within one run, and how far apart.

    python benchmarks/metrics.py
    python benchmarks/metrics.py --images 200 --pairs 200 --features 500 2500 --dimension 512

SSIM and the Wasserstein distance are ours over all pairs, the loops' over `--pairs` of them drawn at random
and scaled up to all. scikit-image is timed on single precision, its faster one, and compared in double. Its
loop runs on one thread, so ours does. The Frechet distance by matrix square root is pytorch-fid's formula.
bAHD, in voxels, is that of a full-size phantom's vessels and a wrong prediction. Ours asks KD-trees of the
surfaces for false voxels alone; trees of all voxels asked for all voxels are the definition. All are cut to
the box that holds both masks. The difference is that of the library's whole row of a patient. The surface is
that of the same vessels; the difference counts voxels. The last line says what clDice and the components,
both by scikit-image, add to a patient's row.
Times are of the processor, all threads together, since a neighbour's load stretches the wall clock; ratios
are medians over rounds in which both sides take turns.
"""

import argparse
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import scipy
import skimage
import torch
from scipy.ndimage import gaussian_filter
from scipy.spatial.distance import squareform
from usual_ways import (
    WINDOWS,
    bahd_by_transforms,
    bahd_by_trees,
    by_matrix_square_root,
    joint_box,
    ssim_loop,
    surface_by_scikit_image,
    surface_by_scipy,
    wasserstein_loop,
)

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
from privessel.phantom import simulate
from privessel.quality.distances import frechet_distance, grey_value_distances, pairwise_ssim
from privessel.scores.metrics import centreline_dice, count_components, distances, evaluate, surface

SIDE = 96
SCAN = {"shape": (312, 384, 127), "spacing": (0.5, 0.5, 0.7)}  # voxels and mm, Kossen et al. 2022


def patches(count: int) -> np.ndarray:
    """Return smooth random images of 96 x 96 grey values in 0..255."""
    rng = np.random.default_rng(0)
    smooth = gaussian_filter(rng.random((count, SIDE, SIDE), dtype=np.float32), (0, 2, 2))
    return ((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8)


def features(count: int, dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """Return two sets of correlated features, as networks give them, with spreads over three decades."""
    rng = np.random.default_rng(1)
    mixing = rng.normal(size=(dimension, dimension)) * np.logspace(0, -3, dimension)[:, None]
    one, other = (rng.normal(size=(count, dimension)) @ mixing for _ in range(2))
    return one, 1.1 * other + 0.1


def masks() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a phantom's vessels, a prediction that is shifted, cut short and speckled, and its brain."""
    phantom = simulate(seed=1, parameters="a", **SCAN)
    prediction = np.roll(phantom.vessels, (1, -1), axis=(0, 1))
    prediction[:, :, -40:] = False
    specks = np.random.default_rng(3).choice(np.flatnonzero(phantom.brain), 2000, replace=False)
    prediction.reshape(-1)[specks] = True
    return phantom.vessels, prediction, phantom.brain


def bahd_by_surfaces(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Return bAHD in voxels in our way, without a patient's other measures."""
    box = joint_box(truth, prediction)
    truth, prediction = truth[box], prediction[box]
    missed = distances(truth & ~prediction, surface(prediction), spacing=(1.0, 1.0, 1.0))
    spurious = distances(prediction & ~truth, surface(truth), spacing=(1.0, 1.0, 1.0))
    return (missed.sum() + spurious.sum()) / truth.sum() / 2


def topology(truth: np.ndarray, prediction: np.ndarray) -> None:
    """Compute what a patient's row has on topology, in the box of both masks."""
    box = joint_box(truth, prediction)
    centreline_dice(truth[box], prediction[box])
    count_components(truth[box])
    count_components(prediction[box])


def compare(name: str, ours: Callable, loop: Callable, *, scale: float, rounds: int) -> list[str]:
    """Return the median CPU seconds, the ratio and its range; `scale`: of the whole to the loop's part."""
    spent = []
    for number in range(rounds):
        print(f"{name}: round {number + 1} of {rounds}", file=sys.stderr, flush=True)
        start = time.process_time()
        ours()
        middle = time.process_time()
        loop()
        spent.append((middle - start, (time.process_time() - middle) * scale))
    ratios = [theirs / mine for mine, theirs in spent]
    mine, theirs = (statistics.median(each) for each in zip(*spent, strict=True))
    return [
        f"{mine:.2f}",
        f"{theirs:.2f}",
        f"{statistics.median(ratios):.1f} ({min(ratios):.1f}-{max(ratios):.1f})",
    ]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--pairs", type=int, default=500, help="that the loops take")
    parser.add_argument("--features", type=int, nargs="+", default=[1000, 10_000], help="rows of each set")
    parser.add_argument("--dimension", type=int, default=2048, help="of the features; Inception's is 2,048")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(1)

    images = patches(asked.images)
    every = asked.images * (asked.images - 1) // 2
    rng = np.random.default_rng(2)
    pairs = [tuple(sorted(rng.choice(asked.images, 2, replace=False).tolist())) for _ in range(asked.pairs)]
    chosen = tuple(np.array(pairs).T)
    table = []
    single, double = images.astype(np.float32), images.astype(np.float64)
    for window in WINDOWS:
        name = f"SSIM, {window}, against scikit-image"
        cells = compare(
            name,
            lambda window=window: pairwise_ssim(images, data_range=255, window=window),
            lambda window=window: ssim_loop(single, pairs, window),
            scale=every / asked.pairs,
            rounds=asked.rounds,
        )
        found = squareform(pairwise_ssim(images, data_range=255, window=window))[chosen]
        table.append(
            (name, f"{every:,} pairs", cells, np.abs(found - ssim_loop(double, pairs, window)).max())
        )

    name = "Wasserstein, against scipy"
    cells = compare(
        name,
        lambda: grey_value_distances(images),
        lambda: wasserstein_loop(double, pairs),
        scale=every / asked.pairs,
        rounds=asked.rounds,
    )
    apart = np.abs(grey_value_distances(images)[chosen] - wasserstein_loop(double, pairs)).max()
    table.append((name, f"{every:,} pairs", cells, apart))

    for count in asked.features:
        sets = features(count, asked.dimension)
        name = "Frechet, against the matrix square root"
        cells = compare(
            name,
            lambda sets=sets: frechet_distance(*sets),
            lambda sets=sets: by_matrix_square_root(*sets),
            scale=1,
            rounds=asked.rounds,
        )
        expected = by_matrix_square_root(*sets)
        apart = abs(frechet_distance(*sets) - expected) / expected
        table.append((name, f"2 x {count:,} x {asked.dimension:,}", cells, apart))

    truth, prediction, brain = masks()
    for way, bahd in (("KD-trees of all voxels", bahd_by_trees), ("distance transforms", bahd_by_transforms)):
        name = f"bAHD, against {way}"
        cells = compare(
            name,
            lambda: bahd_by_surfaces(truth, prediction),
            lambda bahd=bahd: bahd(truth, prediction),
            scale=1,
            rounds=asked.rounds,
        )
        expected = bahd(truth, prediction)
        found = evaluate(truth, prediction, spacing=SCAN["spacing"], brain=brain)["bahd_voxel"]
        size = f"{truth.sum():,} and {prediction.sum():,} voxels"
        table.append((name, size, cells, abs(found - expected) / expected))

    vessels = truth[joint_box(truth, prediction)]
    for library, way in (("scipy", surface_by_scipy), ("scikit-image", surface_by_scikit_image)):
        name = f"surface, against {library}"
        cells = compare(
            name, lambda: surface(vessels), lambda way=way: way(vessels), scale=1, rounds=asked.rounds
        )
        table.append(
            (name, " x ".join(map(str, vessels.shape)), cells, (surface(vessels) ^ way(vessels)).sum())
        )
    added = compare(
        "topology",
        lambda: topology(truth, prediction),
        lambda: evaluate(truth, prediction, spacing=SCAN["spacing"], brain=brain),
        scale=1,
        rounds=asked.rounds,
    )

    print(f"numpy {np.__version__}, scipy {scipy.__version__}, scikit-image {skimage.__version__}, ", end="")
    print(f"torch {torch.__version__} on one thread, {platform.machine()}; {asked.rounds} rounds")
    print(
        f"{asked.images} images of {SIDE} x {SIDE}; loops over {asked.pairs} of {every:,} pairs, scaled up;"
    )
    print(
        "difference: largest over those pairs (SSIM absolute, Wasserstein in grey values), Frechet and bAHD\n"
        "relative\n"
    )
    print("| measure | size | ours, CPU s | theirs, CPU s | times faster (range) | difference |")
    print("|---|---|---|---|---|---|")
    for name, size, cells, difference in table:
        print(f"| {name} | {size} | {' | '.join(cells)} | {difference:.1e} |")
    print(f"\nclDice and components take {added[0]} of the {added[1]} CPU s of a full-size patient's row")


if __name__ == "__main__":
    main()
