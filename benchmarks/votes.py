"""What a vote is worth at the size of the demo: exact expectations, beside real patches and public phantoms.

    python benchmarks/votes.py [--candidates 16] [--steps 600] [--test 3] [--augment] [--ema 0.98]
        [--scans full]

Everything is simulated: ten training patients of phantom-a vote, candidates come from both families in turn,
and test patients judge by whole volumes. All U-Nets have four levels from 8 filters and as many steps. For
every eps of a patient it prints the exact mean DSC over all draws and the 5 % quantile, beside real patches
and public phantoms; and how well the patients' ranks agree with the test DSC. Scans are small as in the demo,
or as large as the paper's. Ten minutes on one free core; with full scans an hour.
"""

import argparse
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from scipy.stats import spearmanr

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "scripts"))

from privessel.cohort.scan import Scan  # noqa: E402
from privessel.phantom import Phantom, simulate  # noqa: E402
from privessel.seeds import derive  # noqa: E402
from privessel.unet.loop import train  # noqa: E402
from privessel.unet.net import TrainedUNet, UNetShape  # noqa: E402
from privessel.unet.prediction import THRESHOLD, predict_probability  # noqa: E402
from privessel.unet.training import UNetTraining  # noqa: E402
from privessel.vote.ballots import fill_in  # noqa: E402
from privessel.vote.candidates import Design, cut_pairs  # noqa: E402
from privessel.vote.expectation import tabulate_expectations  # noqa: E402
from privessel.vote.ranks import add_ranks, rank  # noqa: E402

SEED, SIZE, BATCH, PAIRS, RATE = 2022, 24, 16, 8000, 1e-3
GRID = {"shape": (160, 192, 48), "spacing": (0.5, 0.5, 0.7)}
FULL_GRID = GRID | {"shape": (312, 384, 127)}
FILTERS = (8, 16, 32, 64)
STRIDE, ON_CPU = 16, {"batch": 256, "device": "cpu"}


def patient(cohort: str, number: int, parameters: str, grid: dict[str, tuple] = GRID) -> Phantom:
    """Return a patient of the demo, or that patient on another grid."""
    seed = derive(SEED, "phantom", cohort, f"{cohort.removeprefix('phantom-')}{number:03d}")
    return simulate(seed=seed, parameters=parameters, **grid)


def as_scan(phantom: Phantom) -> Scan:
    """Return a phantom as a scan that was read."""
    image = phantom.image.astype(np.float32) * phantom.brain
    return Scan(image, phantom.vessels, phantom.brain, phantom.spacing, [])


def pool(phantoms: list[Phantom]) -> tuple[np.ndarray, np.ndarray]:
    """Return equally many pairs of each phantom."""
    rng, each = np.random.default_rng(SEED), PAIRS // len(phantoms)
    parts = [cut_pairs(phantom, n=each, size=SIZE, rng=rng) for phantom in phantoms]
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))


def learn(
    pairs: tuple[np.ndarray, np.ndarray], *, steps: int, augment: bool, seed: int, ema: float = 0.0
) -> TrainedUNet:
    """Return a U-Net after so many steps; `ema`: as the config's key of that name."""
    with TemporaryDirectory() as folder:
        trained, _ = train(
            *pairs,
            shape=UNetShape(FILTERS, 0.0),
            training=UNetTraining(
                learning_rate=RATE,
                batch=BATCH,
                epochs=1,
                factor_train_samples=(steps + 0.5) * BATCH / len(pairs[0]),
                augment=augment,
                ema=ema,
                checkpoint_seconds=1e9,
                device="cpu",
                threads=1,
            ),
            seed=seed,
            start=None,
            resume=Path(folder),
            beat=lambda: None,
        )
    return trained


def judge(trained: TrainedUNet, tests: list[Scan]) -> float:
    """Return the mean DSC of whole volumes."""
    found = []
    for scan in tests:
        chance = predict_probability(trained, scan.image, scan.brain, stride=STRIDE, **ON_CPU)
        marked = chance > THRESHOLD
        found.append(2 * (marked & scan.vessels).sum() / (marked.sum() + scan.vessels.sum()))
    return float(np.mean(found))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--candidates", type=int, default=16)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--patients", type=int, default=10)
    parser.add_argument("--phantoms", type=int, default=4)
    parser.add_argument("--test", type=int, default=3)
    parser.add_argument("--scans", choices=("demo", "full"), default="demo")
    parser.add_argument("--augment", action="store_true")
    parser.add_argument("--ema", type=float, default=0.0)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    budget = {"steps": asked.steps, "augment": asked.augment, "ema": asked.ema}

    grid = GRID if asked.scans == "demo" else FULL_GRID
    voters = [patient("phantom-a", number, "a", grid) for number in range(1, asked.patients + 1)]
    tests = [as_scan(patient("phantom-a", 13 + number, "a", grid)) for number in range(asked.test)]
    rows = {"real patches": judge(learn(pool(voters), seed=1, **budget), tests)}
    for name, parameters in (("phantom-one", "one"), ("phantom-random", "random"), ("phantom-wide", "wide")):
        phantoms = [patient(name, number, parameters, grid) for number in range(1, 5)]
        rows[f"{name} (eps 0)"] = judge(learn(pool(phantoms), seed=1, **budget), tests)
    for name, dsc in rows.items():
        print(f"{name}: {dsc:.3f}", flush=True)

    design = Design(("random", "wide"), asked.phantoms, **grid, pairs=PAIRS, size=SIZE)
    nets, dsc = [], []
    for number in range(1, asked.candidates + 1):
        nets.append(learn(design.make(number, seed=SEED), seed=number, **budget))
        dsc.append(judge(nets[-1], tests))
        print(f"candidate {number} ({design.family(number)}): {dsc[-1]:.3f}", flush=True)
    ballots = [
        fill_in(str(k), as_scan(one), nets, n=400, seed=k, stride=STRIDE, prediction=ON_CPU)
        for k, one in enumerate(voters)
    ]
    utilities = [float(one) for one in add_ranks([rank(ballot.counts) for ballot in ballots])]
    print(f"rank correlation of the patients' ranks with test DSC: {spearmanr(utilities, dsc)[0]:.2f}")
    print("\n| eps of a patient | expected DSC | 5 % quantile | of real | worst and best candidate |")
    print("|---|---|---|---|---|")
    votes = [f"vote/eps-{eps}/run-1" for eps in ("0.5", "1", "3")]
    for row in tabulate_expectations(votes, ballots, dsc).itertuples():
        share = row.expected_dsc / rows["real patches"]
        print(
            f"| {row.source.split('/')[1].removeprefix('eps-')} | {row.expected_dsc:.3f} | {row.low_dsc:.3f} "
            f"| {share:.2f} | {row.least_dsc:.3f}, {row.best_dsc:.3f} |"
        )


if __name__ == "__main__":
    main()
