"""What each part of the study costs: its work counted, its time measured here, and an estimate for a GPU.

    python benchmarks/costs.py                     # config.yaml: the paper's study; some minutes on two cores
    python benchmarks/costs.py --tera 5 10 20      # sustained TFLOP/s that the estimate is made for

Takes two steps of the full-size networks on random patches, counts their floating point operations (torch's
own counter: convolutions and matrix products, both directions) and multiplies. The estimate divides all
operations of a part by what a GPU sustains; a V100 at 5 TFLOP/s, a third of its peak in float32, is
a cautious guess. It leaves out reading files, metrics on CPUs and waiting for a node.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import numpy as np
import torch
import yaml
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
from privessel.gan.nets import GanShape
from privessel.gan.pairs import Pairs
from privessel.gan.step import Gan
from privessel.gan.training import GanTraining
from privessel.privacy.keys import Stream
from privessel.unet.net import UNet, UNetShape, soft_dice_loss

ROOT = Path(__file__).parents[1]
SHAPE = {field.name for field in fields(GanShape)}
TRAINING = {field.name for field in fields(GanTraining)}
PATCHES = 512  # random ones stand for the training set
TILES = 9  # tiles with brain in a slice of the paper's matrix (benchmarks/prediction.py)


def measure(step: Callable[[], object], device: str) -> tuple[float, float]:
    """Return seconds and tera-operations of a step; the first, counted, warms up for the second, timed."""
    with FlopCounterMode(display=False) as counter:
        step()
    start = time.perf_counter()
    step()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start, counter.get_total_flops() / 1e12


def gan_step(config: dict, noise: float | None, device: str) -> Callable[[], object]:
    """Return a generator step with its critic steps."""
    keys = dict(config["gan"], **config["gan"]["private"]) | config["privacy"]
    shape = GanShape(patch=config["patches"]["size"], **{key: keys[key] for key in SHAPE - {"patch"}})
    chosen = {key: keys[key] for key in TRAINING - {"noise_multiplier", "units", "region_patches"}}
    training = GanTraining(noise_multiplier=noise, units=PATCHES, region_patches=1, **chosen)
    gan = Gan(shape, training, stream=Stream(bytes(32), threads=torch.get_num_threads()), device=device)
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (PATCHES, shape.patch, shape.patch)).astype(np.float32)
    data = Pairs(
        images, images > 0.9, patients=np.zeros(PATCHES, int), device=device,
        background=training.label_background,
    )  # fmt: skip
    return lambda: gan.advance(data)


def unet_step(config: dict, device: str, *, train: bool) -> Callable[[], object]:
    """Return a training step of the U-Net, or the prediction of one batch."""
    unet, size = config["unet"], config["patches"]["size"]
    network = UNet(UNetShape(tuple(unet["filters"]), 0.0), generator=torch.Generator().manual_seed(0))
    network.to(device, memory_format=torch.channels_last)
    images = torch.rand(unet["batch"], 1, size, size, device=device)
    images = images.contiguous(memory_format=torch.channels_last)

    def step() -> None:
        with torch.set_grad_enabled(train):
            loss = soft_dice_loss(network(images), images)
        if train:
            loss.backward()

    return step


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tera", type=float, nargs="+", default=[5.0])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    gan, unet, pairs = config["gan"], config["unet"], config["synthesis"]["pairs"]
    steps = gan["epochs"] * gan["steps_per_epoch"]
    unet_steps = unet["epochs"] * (int(unet["factor_train_samples"] * pairs) // unet["batch"])
    shape = config["cohorts"]["phantom-a"]["phantom"]["shape"]
    volume = TILES * shape[2] / unet["batch"]
    parts = {
        "a GAN without privacy": (gan_step(config, None, chosen.device), steps),
        "a private GAN": (gan_step(config, 1.0, chosen.device), steps),
        "a U-Net, one setting": (unet_step(config, chosen.device, train=True), unet_steps),
        "a volume's prediction": (unet_step(config, chosen.device, train=False), volume),
    }
    name = torch.cuda.get_device_name() if chosen.device == "cuda" else f"{chosen.threads} CPU threads"
    print(f"{name}, torch {torch.__version__}; hours")
    print("| part | steps | TFLOP a step | here |", *(f"at {rate:g} TFLOP/s |" for rate in chosen.tera))
    print("|---|---|---|---|" + "---|" * len(chosen.tera))
    for part, (step, count) in parts.items():
        seconds, tera = measure(step, chosen.device)
        estimates = (f"{count * tera / rate / 3600:.3g} |" for rate in chosen.tera)
        print(f"| {part} | {count:,.0f} | {tera:.3g} | {count * seconds / 3600:.3g} |", *estimates)


if __name__ == "__main__":
    main()
