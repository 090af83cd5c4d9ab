"""How long a whole volume takes in batches of patches against one patch at a time, as ratios within one run.

    python benchmarks/prediction.py
    python benchmarks/prediction.py --filters 10 20 40 80 --size 24 --stride 12 --slices 16 --threads 1

The paper's geometry (312 x 384 voxels a slice, 96 x 96 patches, 32 to 512 filters) unless said otherwise;
only `--slices` of its 127 slices, because every slice costs the same. One at a time means what a plain loop
does: each tile goes through the network by itself. The U-Net's weights are random; they decide no time.
Ratios are medians over rounds in which all ways take turns.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
from privessel.cohort.patches import cut, rescale, stitch
from privessel.unet.net import TrainedUNet, UNet, UNetShape
from privessel.unet.prediction import brain_tiles, predict_probability

PLANE = (312, 384)


def volume(slices: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a noisy ellipsoid (x, y, z) and its mask, of a head's proportions in the paper's matrix."""
    axes = np.ogrid[-1 : 1 : PLANE[0] * 1j, -1 : 1 : PLANE[1] * 1j, -0.6 : 0.6 : slices * 1j]
    brain = sum((axis / extent) ** 2 for axis, extent in zip(axes, (0.75, 0.8, 0.9), strict=True)) < 1
    noise = np.random.default_rng(0).normal(100, 20, brain.shape)
    return (noise * brain).astype(np.float32), brain


def one_at_a_time(
    trained: TrainedUNet, image: np.ndarray, brain: np.ndarray, *, stride: int, device: str
) -> np.ndarray:
    """Segment as a plain loop would."""
    network = trained.network(torch.device(device))
    total, count = np.zeros(image.shape, np.float32), np.zeros(image.shape, np.uint16)
    for centre in brain_tiles(brain, size=trained.patch_size, stride=stride):
        patch = rescale(cut(image, centre[None], trained.patch_size), 0, 255)
        inputs = torch.from_numpy((patch - trained.mean) / trained.sd)[:, None].float().to(device)
        with torch.no_grad():
            stitch(total, count, network(inputs)[:, 0].cpu().numpy(), centre[None])
    return np.where(brain, total / np.maximum(count, 1), np.float32(0))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--filters", type=int, nargs="+", default=[32, 64, 128, 256, 512])
    parser.add_argument("--size", type=int, default=96)
    parser.add_argument("--stride", type=int, default=96)
    parser.add_argument("--slices", type=int, default=8)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 16, 64])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    shape = UNetShape(tuple(chosen.filters), 0.0)
    weights = UNet(shape, generator=torch.Generator().manual_seed(0)).state_dict()
    trained = TrainedUNet(
        weights=weights, shape=shape, patch_size=chosen.size, mean=100.0, sd=50.0, identity={}
    )
    image, brain = volume(chosen.slices)
    tiles = len(brain_tiles(brain, size=chosen.size, stride=chosen.stride))
    place = {"stride": chosen.stride, "device": chosen.device}
    ways = {"one at a time": lambda: one_at_a_time(trained, image, brain, **place)}
    for batch in chosen.batches:
        ways[f"batch {batch}"] = lambda batch=batch: predict_probability(
            trained, image, brain, batch=batch, **place
        )
    seconds = {name: [] for name in ways}
    found = {}
    for _ in range(chosen.rounds):
        for name, way in ways.items():
            start = time.perf_counter()
            found[name] = way()
            seconds[name].append(time.perf_counter() - start)
    name = torch.cuda.get_device_name() if chosen.device == "cuda" else f"{chosen.threads} CPU threads"
    print(f"{name}; {chosen.slices} slices, {tiles} tiles with brain; torch {torch.__version__}")
    for way, reference in zip(seconds, [seconds["one at a time"]] * len(seconds), strict=True):
        ratio = statistics.median(one / other for one, other in zip(reference, seconds[way], strict=True))
        apart = np.abs(found[way] - found["one at a time"]).max()
        print(f"{way:>15}: {ratio:5.2f} x as fast, largest difference of a probability {apart:.1e}")


if __name__ == "__main__":
    main()
