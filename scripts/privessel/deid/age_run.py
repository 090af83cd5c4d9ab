"""One training of the age network as the workflow runs it: from files of framed scans to its files."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from privessel.deid.age import AgeTraining
from privessel.deid.age_loop import COLUMNS, AgedHeads, train
from privessel.deid.age_table import choose_aged, read_ages
from privessel.deid.frame import Framed
from privessel.files.lock import SILENT_MINUTES, lock
from privessel.files.tables import write_rows


def load_aged(frames: Sequence[Path], people: Sequence[str], table: Path, *, cohort: str) -> AgedHeads:
    """Return the heads of a cohort whose person's age the table gives; people: the person of each frame.

    Raises CohortError where too few ages are known, DamagedError for a file that cannot be read.
    """
    ages = read_ages(table, cohort=cohort)
    chosen = choose_aged(people, ages, cohort=cohort)
    images = np.stack([Framed.load(frames[place]).image for place in chosen])
    return AgedHeads(images, np.array([ages[people[place]] for place in chosen]))


def train_to_files(
    heads: AgedHeads, *, training: AgeTraining, seed: int, weights: Path, history_csv: Path
) -> None:
    """Train an age network; write it and its history, each whole or not at all.

    Beside `weights` lie the lock of the run and, until it has finished, the folder `.resume` with the state
    that an interrupted training continues from. Raises BusyError where another process trains the same
    network, and what `train` raises.
    """
    resume = weights.parent / ".resume"
    with lock(weights.parent / ".lock", silent_minutes=SILENT_MINUTES) as beat:
        trained, history = train(heads, training=training, seed=seed, resume=resume, beat=beat)
        write_rows(history_csv, history, columns=COLUMNS)
        trained.save(weights)
        shutil.rmtree(resume, ignore_errors=True)
