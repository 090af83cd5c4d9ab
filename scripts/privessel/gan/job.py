"""A training job: from the files and settings that a rule hands over to a trained run."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

import torch

from privessel.cohort.intake import read_voxels
from privessel.cohort.patches import load
from privessel.device import pick_device
from privessel.gan.checkpoints import RunFiles
from privessel.gan.loop import train
from privessel.gan.nets import GanShape
from privessel.gan.pairs import TrainingPatches
from privessel.gan.run import GanRun
from privessel.privacy.site import Site

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settings:
    """The config's `gan` at one level, with what is needed of `privacy`, sorted by use."""

    shape: GanShape
    training: Mapping[str, object]  # the keywords of `GanRun.training`
    device: str
    threads: int
    checkpoint_seconds: float

    @classmethod
    def from_config(
        cls, gan: Mapping[str, object], privacy: Mapping[str, object], *, patch: int
    ) -> "Settings":
        """Sort the keys of a config's `gan`; `patch` is the patches' side in pixels.

        The device `auto` becomes one that this machine has. All keys of `privacy` belong to the training.
        """
        rest = dict(gan)
        machine = {"device": pick_device(rest.pop("device")).type}
        machine |= {name: rest.pop(name) for name in ("threads", "checkpoint_seconds")}
        form = {field.name: rest.pop(field.name) for field in fields(GanShape) if field.name != "patch"}
        return cls(shape=GanShape(patch=patch, **form), training={**rest, **privacy}, **machine)


def train_run(
    run: GanRun,
    patch_files: Iterable[Path],
    *,
    settings: Settings,
    seed: int,
    site: Site | None,
    scans: Path,
    code: Iterable[Path],
    folder: Path,
) -> None:
    """Train a run of the study or of the audit, and leave its files in `folder` (see `loop.train`).

    `folder` is {results}/gan/{arch}/{level}/run-{n}, or audit/ in place of gan/.
    patch_files: the patches of each training patient. `seed` is the published seed of the study, `site` the
    site that answers for the patients (None on a public cohort), `scans` the table of training patients with
    the digests of their scans, and `code` the files that decide a training step.
    """
    torch.set_num_threads(settings.threads)
    patches = load(list(patch_files), scale=(-1, 1))
    training = run.training(patches, **settings.training)  # an audit's canaries do not count as units
    trained_on, identity = run.prepare(
        patches,
        training=training,
        site=site,
        shape=settings.shape,
        code=code,
        device=settings.device,
        threads=settings.threads,
    )
    if site and not training.private:
        _note_model(site, run, patients=patches.patients, scans=scans)
    train(
        TrainingPatches(trained_on.image, trained_on.label, trained_on.patient_index),
        shape=settings.shape,
        training=training,
        source=run.source(
            seed=seed,
            site=site,
            training=training,
            identity=identity,
            patients=patches.patients,
            scans=scans,
            results=folder.parents[3],
        ),
        files=RunFiles(folder, identity, settings.checkpoint_seconds),
        device=settings.device,
        record=partial(run.record, training, patches, identity=identity),
        watch=run.watch(training, genuine=len(patches.image), device=settings.device),
    )


def _note_model(site: Site, run: GanRun, *, patients: Sequence[str], scans: Path) -> None:
    """Have the site's register remember a model without noise, where the site keeps books."""
    if not site.has_secret:
        log.warning(
            "%s is trained on patients without noise, and where there is no privacy.state nothing remembers "
            "it: a later release cannot say that it was there. Remedy: set privacy.state before training",
            run.name,
        )
        return
    voxels = read_voxels(scans)
    digests = site.digests({patient: voxels[patient] for patient in patients})
    site.note_model(name=run.name, cohort=run.cohort, patients=digests)
