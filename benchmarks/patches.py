"""Peak memory of reading a training set: patient by patient into its place, or all and then concatenated.

    python benchmarks/patches.py                   # 41 patients x 1,000 patches of 96 x 96, as in the paper

Each way runs in a process of its own, whose peak the system reports; an empty process is subtracted.
"""

import argparse
import multiprocessing
import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
from privessel.cohort.patches import Patches, load, rescale, save

Read = Callable[[list[Path]], object]


def in_place(paths: list[Path]) -> object:
    """Read as the GAN's training does."""
    return load(paths, scale=(-1, 1))


def concatenated(paths: list[Path]) -> object:
    """Read every file, concatenate, then scale."""
    parts = [dict(np.load(path)) for path in paths]
    images = np.concatenate([part["image"] for part in parts])
    labels = np.concatenate([part["label"] for part in parts])
    return rescale(images, -1, 1), labels


def nothing(paths: list[Path]) -> object:
    """Read no file."""
    return paths


def peak(read: Read, paths: list[Path]) -> float:
    """Return the peak of a process that calls `read`, in MB."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_run, (read, paths))


def _run(read: Read, paths: list[Path]) -> float:
    read(paths)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--patients", type=int, default=41)
    parser.add_argument("--patches", type=int, default=1000)
    parser.add_argument("--size", type=int, default=96)
    asked = parser.parse_args()
    shape = (asked.patches, asked.size, asked.size)
    image = np.random.default_rng(0).integers(0, 500, shape).astype(np.float32)
    label, centre = image > 470, np.zeros((asked.patches, 3), np.int64)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{number}.npz") for number in range(asked.patients)]
        one = Patches(image, label, centre, np.zeros(asked.patches, np.int64), ("a",), (0,))
        save(paths[0], one)
        for path in paths[1:]:
            path.hardlink_to(paths[0])
        size = asked.patients * (image.nbytes + label.nbytes) / 2**20
        idle = peak(nothing, paths)
        print(f"the set: {size:,.0f} MB")
        for read in (in_place, concatenated):
            found = peak(read, paths) - idle
            print(f"{read.__name__:>13}: peak {found:,.0f} MB, {found / size:.2f} x the set")


if __name__ == "__main__":
    main()
