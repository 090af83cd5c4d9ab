"""How the study's trainings pack onto GPUs: days by number of GPUs, and what each trains when. An estimate.

    python benchmarks/schedule.py                                   # writes docs/cluster-schedule.png
    python benchmarks/schedule.py --gan-hours 9 --unet-hours 0.4    # of your GPU: benchmarks/costs.py

Simulates what the workflow does on a cluster: a training starts as soon as what it needs is there and a GPU
is free, GANs before U-Nets. Hours are those of docs/study.md, counted operations at 5 TFLOP/s. Waiting for
nodes, the steps on CPUs (prediction, quality, figures) and failures are left out.
"""

import argparse
import heapq
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
from privessel.study.names import Level

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROOT = Path(__file__).parents[1]
COLOURS = {"private GAN": "blue", "GAN without privacy": "orange", "U-Net": "green", "transfer": "purple"}


@dataclass(frozen=True)
class Training:
    """One job on one GPU: what it makes, how long it takes, and what must be there before."""

    name: str
    kind: str
    hours: float
    after: tuple[str, ...] = ()


def study_trainings(config: Mapping, *, hours: Mapping[str, float]) -> list[Training]:
    """Return the trainings of a study, GANs first; `hours` of each kind, a transfer's a patient."""
    private = [level for level in config["levels"] if Level.parse(level).private]
    architectures = [config["arch"]] if len(private) < len(config["levels"]) else []
    free = [f"{arch}/inf/1" for arch in dict.fromkeys([*architectures, *config["compared_architectures"]])]
    runs = config["runs"] if isinstance(config["runs"], list) else range(1, config["runs"] + 1)
    noisy = [f"{config['arch']}/{level}/{run}" for level in private for run in runs]
    trainings = [Training(gan, "GAN without privacy", hours["GAN without privacy"]) for gan in free]
    trainings += [Training(gan, "private GAN", hours["private GAN"]) for gan in noisy]
    settings = list(product(*config["unet"]["grid"].values()))
    controls = [f"{config['arch']}/{level}/1" for level in config["shuffled"]]
    first = [(source, ()) for source in ("real", *config["public_baselines"])]
    made = [(gan, (gan,)) for gan in [*free, *noisy]] + [(f"{gan}-shuffled", (gan,)) for gan in controls]
    for source, after in [*first, *made]:
        trainings += [
            Training(f"{source}: U-Net {n}", "U-Net", hours["U-Net"], after) for n in range(len(settings))
        ]
    transfer = config["transfer"]
    for start, k, draw in product(
        ["scratch", *transfer["sources"]], transfer["patients"], range(transfer["draws"])
    ):
        unets = () if start == "scratch" else tuple(f"{start}/1: U-Net {n}" for n in range(len(settings)))
        trainings.append(Training(f"{start}, {k}, {draw}", "transfer", k * hours["transfer"], unets))
    return trainings


def hours_by_kind(config: Mapping, *, plain: float, private: float, unet: float) -> dict[str, float]:
    """Return the hours of each kind of training; a transfer's are those of one of its patients."""
    steps = config["patches"]["per_patient"] / config["synthesis"]["pairs"]
    transfer = unet * steps * config["transfer"]["epochs"] / config["unet"]["epochs"]
    return {"GAN without privacy": plain, "private GAN": private, "U-Net": unet, "transfer": transfer}


def pack(trainings: list[Training], *, gpus: int) -> list[tuple[Training, int, float]]:
    """Return each training with its GPU and the hour it starts, in the order of their starts."""
    ends: dict[str, float] = {}
    free = [(0.0, gpu) for gpu in range(gpus)]
    placed, waiting = [], list(trainings)
    while waiting:
        hour, gpu = heapq.heappop(free)
        ready = [one for one in waiting if all(ends.get(name, float("inf")) <= hour for name in one.after)]
        if not ready:  # this GPU idles until the next training ends somewhere
            heapq.heappush(free, (min(end for end in ends.values() if end > hour), gpu))
            continue
        chosen = ready[0]
        waiting.remove(chosen)
        placed.append((chosen, gpu, hour))
        ends[chosen.name] = hour + chosen.hours
        heapq.heappush(free, (ends[chosen.name], gpu))
    return placed


def span(placed: list[tuple[Training, int, float]]) -> float:
    """Return the hour at which the last training ends."""
    return max(hour + training.hours for training, _, hour in placed)


def plot_schedule(plans: Mapping[int, list[tuple[Training, int, float]]]) -> "Figure":
    """Return the figure: which GPU trains what and when, one row a GPU and one panel a number of GPUs."""
    import matplotlib.pyplot as plt  # here, because gpu.py needs the hours where matplotlib may be missing

    from privessel.figures.style import PALETTE

    figure, panels = plt.subplots(
        len(plans), 1, figsize=(7, 6.2), layout="constrained",
        gridspec_kw={"height_ratios": [1 + gpus**0.6 for gpus in plans]},
    )  # fmt: skip
    for panel, (gpus, placed) in zip(panels, plans.items(), strict=True):
        days = span(placed) / 24
        for training, gpu, hour in placed:
            panel.barh(
                gpu, training.hours / 24, left=hour / 24, height=1.0, color=PALETTE[COLOURS[training.kind]],
                edgecolor="white", linewidth=0.2 * (training.hours / 24 > days / 100),
            )  # fmt: skip
        busy = sum(training.hours for training, _, _ in placed) / (gpus * span(placed))
        panel.set_title(f"{gpus} GPU{'s' * (gpus > 1)}: {days:.1f} days, {busy:.0%} busy", loc="left")
        panel.set(yticks=[], ylabel="GPU", xlim=(0, days), ylim=(gpus - 0.5, -0.5))
    panels[-1].set_xlabel("days (an estimate)")
    handles = [plt.Rectangle((0, 0), 1, 1, color=PALETTE[colour]) for colour in COLOURS.values()]
    figure.legend(handles, COLOURS, ncols=len(COLOURS), loc="outside upper center", frameon=False)
    return figure


def main() -> None:
    """Print the table and draw the figure."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--gpus", type=int, nargs="+", default=[1, 4, 16, 64])
    parser.add_argument("--gan-hours", type=float, default=17.6)
    parser.add_argument(
        "--private-factor", type=float, default=1.3, help="a private critic step's, 1.2 to 1.4"
    )
    parser.add_argument("--unet-hours", type=float, default=0.8)
    parser.add_argument("--figure", type=Path, default=ROOT / "docs" / "cluster-schedule.png")
    chosen = parser.parse_args()
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    private = chosen.gan_hours * chosen.private_factor
    hours = hours_by_kind(config, plain=chosen.gan_hours, private=private, unet=chosen.unet_hours)
    trainings = study_trainings(config, hours=hours)
    plans = {gpus: pack(trainings, gpus=gpus) for gpus in chosen.gpus}
    total = sum(training.hours for training in trainings)
    print(f"{len(trainings)} trainings, {total:,.0f} GPU hours; an estimate")
    print("| GPUs | days | GPUs busy |\n|---|---|---|")
    for gpus, placed in plans.items():
        print(f"| {gpus} | {span(placed) / 24:.1f} | {total / gpus / span(placed):.0%} |")
    from privessel.figures.style import save, style

    with style():
        save(plot_schedule(plans), chosen.figure)


if __name__ == "__main__":
    main()
