"""What heads a C-DeID-GAN makes: one training on simulated heads, a table and a picture.

    python benchmarks/deid_gan.py /tmp/heads                      # as in docs/deid.md: 32 voxels a side
    python benchmarks/deid_gan.py /tmp/other --discriminator-rate 6e-4 --r1 10 --reconstruction 0.5
    timeout 6m python benchmarks/deid_gan.py /tmp/large --size 64 --steps 2300 --warm-up 900

A killed training continues when the same command is started again in the same folder, so it can run in
pieces. The folder then holds the generator, its history and `heads.png`: for people that the GAN has never
seen, slices and renderings of the original and of the head that was made. The table has what the losses did;
below it stand

- detail: mean absolute difference of neighbouring voxels outside the brain, made over original; 1 is as sharp
- depth: mean absolute difference, in voxels, of first-hit depth maps from the front, between a made head and
  its own original, and between it and the originals of the others. Where both are alike, the surface shows no
  more of its own person than of anybody else.
"""

import argparse
import csv
import logging
import sys
import time
from dataclasses import replace
from pathlib import Path

import matplotlib as mpl
import numpy as np
import torch
import yaml
from numpy.typing import NDArray

mpl.use("Agg")
from matplotlib import pyplot as plt

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
from privessel.deid.gamma import Gamma, transform
from privessel.deid.head_cohort import make_people
from privessel.deid.render import measure_depth, shade
from privessel.deid.run import train_to_files
from privessel.deid.shape import HeadGanShape
from privessel.deid.synthesis import make_head
from privessel.deid.trained import TrainedHeadGan
from privessel.deid.training import HeadGanTraining, read_settings
from privessel.deid.training_heads import TrainingHeads

ROOT = Path(__file__).parents[1]
# Of generator and discriminator by the size of heads.
WIDTHS = {
    32: ((48, 48, 32, 24), (48, 48, 24, 12)),
    64: ((48, 48, 32, 24, 16), (48, 48, 32, 24, 16)),
}
SHOWN = 5  # people of the sheet
AIR = 0.08  # grey values below are noise of the air
WHITE = 0.85  # the grey value that the brightest 5 % of a brain begin at


def read_demo() -> tuple[HeadGanShape, HeadGanTraining]:
    """Return the shape and the training of the demo's GAN, which is narrower and shorter than the recipe."""
    study, demo = (
        yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))["deid"]
        for name in ("config.yaml", "profiles/deid-demo/study.yaml")
    )
    people = {"hulls", "folds", "learns_from"}
    keys = {name: value for name, value in (study["gan"] | demo["gan"]).items() if name not in people}
    return read_settings(keys, size=demo["size"])


def make_heads(side: int, people: int, *, cohort: str) -> tuple[NDArray[np.float32], list[Gamma], list[str]]:
    """Return images (people, side, side, side) in [0, 1], their gammas and their people's names."""
    names = [f"{cohort}{number}" for number in range(people)]
    images, gammas = [], []
    for number, person in enumerate(make_people(dict.fromkeys(names, "train"), cohort=cohort, seed=1)):
        scan = person.scan(1, side)
        image = np.clip(scan.image / np.quantile(scan.image[scan.brain], 0.95) * WHITE, 0, 1)
        image = np.where((image < AIR) & ~scan.brain, 0, image).astype(np.float32)
        gammas.append(transform(image, scan.brain, np.random.default_rng(number), rotations=16, planes=100))
        images.append(image)
    return np.stack(images), gammas, names


def measure_detail(volumes: NDArray, brains: NDArray) -> float:
    """Return the mean absolute difference of neighbours along the three axes, both outside the brain."""
    differences = []
    for axis in (1, 2, 3):
        brain_there = brains.take(range(1, brains.shape[axis]), axis) | brains.take(
            range(brains.shape[axis] - 1), axis
        )
        differences.append(np.abs(np.diff(volumes, axis=axis))[~brain_there])
    return float(np.concatenate(differences).mean())


def measure_depths(images: NDArray, made: NDArray) -> tuple[float, float]:
    """Return the mean depth difference of made heads to their own originals, and to those of others."""
    maps, originals = (np.stack([measure_depth(volume) for volume in volumes]) for volumes in (made, images))
    apart = np.abs(maps[:, None] - originals[None]).mean((2, 3))
    own = np.eye(len(apart), dtype=bool)
    return apart[own].mean(), apart[~own].mean()


def draw_sheet(images: NDArray, made: NDArray, path: Path) -> None:
    """Draw two slices and two renderings of the first people, the original left of the made head."""
    figure, axes = plt.subplots(SHOWN, 8, figsize=(16, 2.05 * SHOWN))
    middle = images.shape[1] // 2
    for row, pair in zip(axes, zip(images, made, strict=True), strict=False):
        for column, volume in enumerate(pair):
            views = (
                255 * volume[:, :, middle + middle // 6].T[::-1],
                255 * volume[middle].T[::-1],
                shade(volume),
                shade(volume, yaw=40),
            )
            for place, view in enumerate(views):
                row[2 * place + column].imshow(view, cmap="gray", vmin=0, vmax=255)
                row[2 * place + column].set_axis_off()
    for place, axis in enumerate(axes[0]):
        axis.set_title(("original", "made")[place % 2], fontsize=9)
    figure.tight_layout(pad=0.2)
    figure.savefig(path, dpi=70)


def main() -> None:
    """Train, or continue, then draw the sheet and print the table."""
    demo_shape, demo_training = read_demo()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--size", type=int, default=demo_shape.size, choices=sorted(WIDTHS))
    parser.add_argument("--people", type=int, default=240)
    parser.add_argument("--steps", type=int, default=950)
    parser.add_argument("--warm-up", type=int, default=450)
    parser.add_argument("--reconstruction", type=float, default=demo_training.reconstruction)
    parser.add_argument("--discriminator-rate", type=float, default=demo_training.discriminator_learning_rate)
    parser.add_argument("--r1", type=float, default=demo_training.r1)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(demo_training.threads)

    weights, history = arguments.folder / "generator.pt", arguments.folder / "history.csv"
    if not weights.exists():
        images, gammas, people = make_heads(arguments.size, arguments.people, cohort="train")
        hulls, brains = (np.stack([getattr(gamma, name) for gamma in gammas]) for name in ("hull", "brain"))
        generator, discriminator = WIDTHS[arguments.size]
        started = time.process_time()
        train_to_files(
            TrainingHeads(images, hulls, brains, people),
            held_out=[],
            shape=replace(
                demo_shape,
                size=arguments.size,
                generator_widths=generator,
                discriminator_widths=discriminator,
            ),
            training=replace(
                demo_training,
                steps=arguments.steps,
                warm_up=arguments.warm_up,
                reconstruction=arguments.reconstruction,
                discriminator_learning_rate=arguments.discriminator_rate,
                r1=arguments.r1,
            ),
            seed=1,
            weights=weights,
            history_csv=history,
        )
        print(f"trained in {time.process_time() - started:.0f} s of one CPU since the last start")
    for row in csv.reader(history.open()):
        print(*(f"{cell[:6]:>18}" if cell[:1].isdigit() else f"{cell:>18}" for cell in row))

    images, gammas, people = make_heads(arguments.size, 12, cohort="test")
    trained = TrainedHeadGan.load(weights)
    made = np.stack(
        [
            make_head(trained, gamma, person=person, seed=number, device=torch.device("cpu"))
            for number, (gamma, person) in enumerate(zip(gammas, people, strict=True))
        ]
    )
    draw_sheet(images, made, arguments.folder / "heads.png")
    brains = np.stack([gamma.brain for gamma in gammas])
    own, others = measure_depths(images, made)
    print(
        f"detail {measure_detail(made, brains) / measure_detail(images, brains):.2f}; "
        f"depth: {own:.2f} voxels to the own original, {others:.2f} to the others'"
    )


if __name__ == "__main__":
    main()
