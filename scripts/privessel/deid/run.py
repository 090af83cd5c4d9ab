"""One training of a C-DeID-GAN as the workflow runs it: from files of framed scans to its files on disk."""

import logging
import shutil
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np

from privessel.deid.frame import Framed
from privessel.deid.gamma import Gamma
from privessel.deid.loop import train
from privessel.deid.shape import HeadGanShape
from privessel.deid.state import COLUMNS
from privessel.deid.training import HeadGanTraining
from privessel.deid.training_heads import TrainingHeads
from privessel.errors import PrivacyError
from privessel.files.lock import SILENT_MINUTES, lock
from privessel.files.tables import write_rows
from privessel.privacy.site import Site

log = logging.getLogger(__name__)


def load_heads(frames: Sequence[Path], gammas: Sequence[Path], people: Sequence[str]) -> TrainingHeads:
    """Return the heads of scans, one file each of the scan in its frame and of its gamma, in one order.

    people: whose scan each is. Raises DamagedError for a file that cannot be read, ValueError where the lists
    differ in length or the scans in size.
    """
    if not len(frames) == len(gammas) == len(people):
        raise ValueError(f"{len(frames)} frames, {len(gammas)} gammas and {len(people)} people are no heads")
    images = [Framed.load(path).image for path in frames]
    hulls, brains = zip(*((one.hull, one.brain) for one in map(Gamma.load, gammas)), strict=True)
    return TrainingHeads(np.stack(images), np.stack(hulls), np.stack(brains), list(people))


def note_people(site: Site, scans: Mapping[str, str], *, name: str, digests: Mapping[str, str]) -> None:
    """Have the site's register remember that a model without noise is trained on people's heads.

    scans: the person of each scan. name: of the model. digests: SHA-256 of each scan. Without books nothing
    remembers it, of which a warning says what that means.
    """
    if not site.has_secret:
        log.warning(
            "%s is trained on people's heads without noise, and where there is no privacy.state nothing "
            "remembers it: a later release cannot say that it was there. Remedy: set privacy.state before "
            "training",
            name,
        )
        return
    cohort = next(iter(scans)).partition("/")[0]
    people = {scan: site.digests({person: digests[scan]})[person] for scan, person in scans.items()}
    site.note_model(name=name, cohort=cohort, patients=people)


def train_to_files(
    heads: TrainingHeads,
    *,
    held_out: Collection[str],
    shape: HeadGanShape,
    training: HeadGanTraining,
    seed: int,
    weights: Path,
    history_csv: Path,
) -> None:
    """Train a C-DeID-GAN; write its generator and its history, each whole or not at all.

    held_out: the people of the GAN's fold, whose heads it will make. Beside `weights` lie the lock of the run
    and, until it has finished, the folder `.resume` with the state that an interrupted training continues
    from. Raises PrivacyError where a head belongs to a person that is held out; BusyError where another
    process trains the same GAN; and what `train` raises.
    """
    if both := sorted(set(heads.people) & set(held_out)):
        raise PrivacyError(
            f"{', '.join(both)}: this GAN will make their heads, so it must not be trained on them. Remedy: "
            "pass the heads of the other folds alone"
        )
    resume = weights.parent / ".resume"
    with lock(weights.parent / ".lock", silent_minutes=SILENT_MINUTES) as beat:
        trained, history = train(heads, shape=shape, training=training, seed=seed, resume=resume, beat=beat)
        write_rows(history_csv, history, columns=COLUMNS)
        trained.save(weights)
        shutil.rmtree(resume, ignore_errors=True)
