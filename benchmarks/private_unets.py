"""What a private U-Net is worth at the size of the demo, beside its public start and real patches.

    python benchmarks/private_unets.py [--start wide] [--seeds 2] [--steps 60] [--test 3]

Everything is simulated: the demo's ten training patients of phantom-a give 4,000 patches each, and test
patients judge by whole volumes. Start and real patches have 600 steps of a U-Net of four levels from 8
filters, as in benchmarks/votes.py. From the start private U-Nets go on at an eps of one patch of 1 and of 8,
and at an eps of a whole patient of 3; the last row shows what as many steps teach with next to no noise. For
each it prints the mean DSC over seeds, and the seeds' own. Six minutes on one free core.
"""

import argparse
from dataclasses import replace

import numpy as np
import torch
import votes

from privessel.privacy.calibration import calibrate
from privessel.privacy.keys import Stream, public_key
from privessel.private_unet.step import LabelledPatches, PrivateUNet
from privessel.private_unet.training import PrivateTraining
from privessel.unet.net import TrainedUNet
from privessel.vote.candidates import cut_pairs

PATIENTS, EACH, BUDGET = 10, 4000, {"steps": 600, "augment": False}
CLIP, RATE, BATCH, MICRO_BATCH, STEPS = 0.1, 1e-3, 256, 64, 60
# Unit, eps of it (None: next to no noise), its delta, expected batch; steps of a patient's are a third.
ROWS = (
    ("patch", 1.0, 2.4e-6, BATCH),
    ("patch", 8.0, 2.4e-6, BATCH),
    ("patient", 3.0, 1e-5, PATIENTS),
    ("patch", None, 2.4e-6, BATCH),
)


def plan(
    unit: str, epsilon: float | None, delta: float, batch: int, *, steps: int, region: int = EACH
) -> PrivateTraining:
    """Return the hyper-parameters of a row, with the least noise for its eps.

    region: patches of a patient that show one same place, at most.
    """
    units = PATIENTS if unit == "patient" else PATIENTS * EACH
    steps = steps // 3 if unit == "patient" else steps
    given = PrivateTraining(
        learning_rate=RATE, batch=batch, units=units, steps=steps, noise_multiplier=1e-3, clipping_norm=CLIP,
        micro_batch=MICRO_BATCH, unit=unit, patient_patches=32, delta=delta, patient_delta=delta,
        region_patches=region, grid_bits=20,
    )  # fmt: skip
    if epsilon is None:
        return given
    rate = given.sampling_rate
    noise = calibrate(target_epsilon=epsilon, sampling_rate=rate, steps=steps, delta=delta)
    return replace(given, noise_multiplier=noise)


def go_on(start: TrainedUNet, data: LabelledPatches, training: PrivateTraining, *, seed: int) -> TrainedUNet:
    """Return the U-Net after all private steps."""
    stream = Stream(public_key(seed=seed, name="benchmark of private U-Nets"))
    unet = PrivateUNet(start, training, stream=stream, device="cpu")
    for _ in range(training.steps):
        unet.advance(data)
    return replace(start, weights=unet.weights())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--start", choices=("random", "wide"), default="wide")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--test", type=int, default=3)
    asked = parser.parse_args()
    torch.set_num_threads(1)

    patients = [votes.patient("phantom-a", number, "a") for number in range(1, PATIENTS + 1)]
    tests = [votes.as_scan(votes.patient("phantom-a", 13 + number, "a")) for number in range(asked.test)]
    real = votes.judge(votes.learn(votes.pool(patients), seed=1, **BUDGET), tests)
    phantoms = [votes.patient(f"phantom-{asked.start}", number, asked.start) for number in range(1, 5)]
    start = votes.learn(votes.pool(phantoms), seed=1, **BUDGET)
    rng = np.random.default_rng(votes.SEED)
    parts = [cut_pairs(one, n=EACH, size=votes.SIZE, rng=rng) for one in patients]
    images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    of_patient = np.repeat(np.arange(PATIENTS), EACH)
    data = LabelledPatches(images.astype(np.float32), labels, of_patient, start=start, device="cpu")

    print(
        "| | eps | noise multiplier | steps | mean DSC | of real | each seed |\n|---|---|---|---|---|---|---|"
    )
    print(f"| real patches | none | | 600 | {real:.3f} | 1 | |")
    first = votes.judge(start, tests)
    print(
        f"| phantom-{asked.start}, the start | 0 | | 600 | {first:.3f} | {first / real:.2f} | |", flush=True
    )
    for unit, epsilon, delta, batch in ROWS:
        training = plan(unit, epsilon, delta, batch, steps=asked.steps)
        found = [
            votes.judge(go_on(start, data, training, seed=seed), tests) for seed in range(1, asked.seeds + 1)
        ]
        spent = f"{epsilon:g} of a {unit}" if epsilon else "none: next to no noise"
        each = ", ".join(f"{dsc:.3f}" for dsc in found)
        print(
            f"| private U-Net | {spent} | {training.noise_multiplier:.3g} | {training.steps} "
            f"| {np.mean(found):.3f} | {np.mean(found) / real:.2f} | {each} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
