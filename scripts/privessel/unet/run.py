"""One training of a U-Net as the workflow runs it: from files of labelled patches to its files on disk."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from privessel.cohort.patches import load_pairs
from privessel.files.lock import SILENT_MINUTES, lock
from privessel.files.tables import write_rows
from privessel.unet.loop import train
from privessel.unet.net import TrainedUNet, UNetShape
from privessel.unet.training import UNetTraining


def train_from_files(
    pairs: Sequence[Path],
    *,
    settings: Mapping[str, Any],
    seed: int,
    weights: Path,
    history_csv: Path,
    shuffled: bool = False,
    start: Path | None = None,
) -> None:
    """Train a U-Net on the images and labels in the files `pairs`; write its weights and its history.

    settings: the config's section `unet`, with one learning_rate, dropout and augment instead of the grid.
    shuffled: a control, in which every image gets the label of an image chosen at random.
    start: weights of the U-Net that the training continues from; None = from random weights.

    Beside `weights` lie the lock of the run and, until it has finished, the folder `.resume` with the state
    that an interrupted training continues from. Raises BusyError where another process trains the same
    U-Net; DamagedError, naming the file, for pairs or weights that cannot be used.
    """
    settings, resume = dict(settings), weights.parent / ".resume"
    with lock(weights.parent / ".lock", silent_minutes=SILENT_MINUTES) as beat:
        images, labels = load_pairs(pairs)
        if shuffled:
            labels = np.random.default_rng(seed).permutation(labels)
        trained, history = train(
            images,
            labels,
            shape=UNetShape(filters=settings.pop("filters"), dropout=settings.pop("dropout")),
            training=UNetTraining(**settings),
            seed=seed,
            start=TrainedUNet.load(start) if start else None,
            resume=resume,
            beat=beat,
        )
        save_run(trained, history, weights=weights, history_csv=history_csv, resume=resume)


def save_run(
    trained: TrainedUNet, history: list[dict[str, float]], *, weights: Path, history_csv: Path, resume: Path
) -> None:
    """Write the two files of a finished training, each whole or not at all, then remove `resume`."""
    write_rows(history_csv, history, columns=["epoch", "loss", "dsc"])
    trained.save(weights)
    shutil.rmtree(resume, ignore_errors=True)
