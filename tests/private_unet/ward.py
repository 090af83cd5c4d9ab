"""A few patients of a site, a public start, and private U-Nets that train in a second."""

import csv
import json
from pathlib import Path

import numpy as np
import torch

from privessel.cohort.patches import Patches, save
from privessel.privacy.site import Site
from privessel.private_unet import step as step_module
from privessel.private_unet.run import PrivateUNetRun, train_private_unet
from privessel.private_unet.step import LabelledPatches
from privessel.private_unet.training import PrivateTraining
from privessel.unet.net import TrainedUNet, UNet, UNetShape

PATIENTS = [f"p{number}" for number in range(1, 6)]
EACH, SIZE = 8, 8
ALL = len(PATIENTS) * EACH
SHAPE = UNetShape((2, 4), 0.1)
RUN = PrivateUNetRun("noise-1", 1, "cohort")
TRAINING = PrivateTraining(
    learning_rate=1e-2, batch=4, units=40, steps=6, noise_multiplier=1.0, clipping_norm=0.5, micro_batch=5,
    unit="patch", patient_patches=3, delta=1e-4, patient_delta=1e-5, region_patches=8, grid_bits=20,
)  # fmt: skip
SETTINGS = {
    "learning_rate": 1e-2, "batch": 4, "steps": 6, "clipping_norm": 0.5, "micro_batch": 5, "unit": "patch",
    "patient_patches": 3, "delta": 1e-4, "patient_delta": 1e-5, "grid_bits": 20, "patients": 5,
    "patches_per_patient": EACH, "max_overlap": None, "device": "cpu", "threads": 1, "checkpoint_seconds": 0,
}  # fmt: skip


def a_start(seed=0, *, shape=SHAPE):
    """A U-Net that has not learned anything, with statistics of its own."""
    network = UNet(shape, generator=torch.Generator().manual_seed(seed))
    network.expect(0.2)
    identity = {"patches": "of phantoms", "seed": seed, "code": "abc", "torch": "2", "learning_rate": 1e-3}
    weights = {name: value.clone() for name, value in network.state_dict().items()}
    return TrainedUNet(weights, shape, SIZE, mean=100.0, sd=50.0, identity=identity)


def some_patches(n=ALL, *, seed=0):
    """Images with a bright bar each, and the bar as label."""
    rng = np.random.default_rng(seed)
    label = np.zeros((n, SIZE, SIZE), bool)
    for one, place in zip(label, rng.integers(SIZE, size=n), strict=True):
        one[place] = True
    return (rng.normal(100, 30, label.shape) + 200 * label).astype(np.float32), label


def some_data(n=ALL, *, start=None, seed=0):
    """The same on the training device; every EACH patches are a patient's."""
    image, label = some_patches(n, seed=seed)
    return LabelledPatches(image, label, np.arange(n) // EACH, start=start or a_start(), device="cpu")


class Ward:
    """Five patients of a site with their patches on disk, a start, and a study's folder of results."""

    def __init__(self, folder, *, budget=1e3):
        self.site = Site(folder / "state", budget, 1e-5)
        self.site.create_secrets()
        self.results, self.scans, self.start = folder / "results", folder / "train.csv", folder / "start.pt"
        with self.scans.open("w", newline="") as file:
            rows = [("patient", "voxels"), *((one, f"scan of {one}") for one in PATIENTS)]
            csv.writer(file).writerows(rows)
        self.files = self.write_patches(folder / "patches")
        a_start().save(self.start)

    def write_patches(self, folder, *, seed=0):
        image, label = some_patches(seed=seed)
        paths = []
        for number, patient in enumerate(PATIENTS):
            own = slice(number * EACH, (number + 1) * EACH)
            paths.append(folder / f"{patient}.npz")
            one = Patches(
                image[own], label[own], np.zeros((EACH, 3), int), np.zeros(EACH, int), (patient,), (0,)
            )
            save(paths[-1], one)
        return paths

    def folder(self, run=RUN):
        return self.results / run.name

    def train(self, run=RUN, *, public=False, files=None, start="phantoms", **changes):
        train_private_unet(
            run,
            files or self.files,
            start=(start, self.start),
            settings=SETTINGS | changes,
            source_of={"seed": 3, "site": None if public else self.site, "scans": self.scans},
            code=[Path(step_module.__file__)],
            folder=self.folder(run),
        )
        return json.loads((self.folder(run) / "privacy.json").read_text())

    def weights(self, run=RUN):
        return TrainedUNet.load(self.folder(run) / "unet.pt").weights

    def charged(self):
        return [account.charge for account in self.site.accounts()]
