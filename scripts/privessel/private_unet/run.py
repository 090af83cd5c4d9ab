"""One private U-Net: its name, everything that decides its weights, what it is charged, and its files."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch

from privessel.cohort.patches import Patches, load
from privessel.cohort.regions import region_patches
from privessel.device import pick_device
from privessel.errors import PrivacyError
from privessel.gan.checkpoints import RunFiles
from privessel.gan.record import cohort_record, mechanism_record, promises_of_steps
from privessel.gan.run import identify_training, paid_run, require_counts
from privessel.privacy.account import Account
from privessel.privacy.accounting import check_delta
from privessel.privacy.keys import Stream, public_key
from privessel.privacy.planner import noise_of
from privessel.privacy.site import PaidRun, Site
from privessel.private_unet.loop import train
from privessel.private_unet.step import LabelledPatches
from privessel.private_unet.training import PrivateTraining
from privessel.study.names import PRIVATE_UNET, Level
from privessel.unet.net import TrainedUNet

log = logging.getLogger(__name__)

# Of a start's identity, what another version of the code or another machine changes.
_MACHINE = {"code", "torch", "device", "threads"}


@dataclass(frozen=True)
class PrivateUNetRun:
    """A private U-Net is named by its level (`eps-8`, `noise-1`), its number and its patients' cohort.

    Raises PrivacyError for level `inf`: a U-Net that patients trained without noise is called `real`.
    """

    level: str
    number: int
    cohort: str

    def __post_init__(self) -> None:
        if not Level.parse(self.level).private:
            raise PrivacyError(
                f"a private U-Net has noise, and level {self.level} has none. Remedy: name a level such as "
                "eps-8; what patients teach without noise is the study's U-Net of source `real`"
            )

    @property
    def name(self) -> str:
        """The name that messages and sources use, such as private-unet/eps-8/run-1; also its folder."""
        return f"{PRIVATE_UNET}/{self.level}/run-{self.number}"

    def training(
        self,
        patches: Patches | None,
        *,
        patients: int,
        patches_per_patient: int,
        max_overlap: int | None,
        **settings: object,
    ) -> PrivateTraining:
        """Return the hyper-parameters at this level; `settings` are all that the arguments do not decide.

        As of a GAN (`gan.run.GanRun.planned_training`): the numbers of patients and of their patches are
        those of the config, which are public, and at a level such as eps-8 the noise is calibrated to all
        steps. `patches` None: none are cut yet. Raises PrivacyError where there are other `patches`.
        """
        region = max_overlap or patches_per_patient
        if patches is not None:
            require_counts(patches, patients=patients, each=patches_per_patient)
            region = region_patches(patches, max_overlap=max_overlap)
        by_patient = settings["unit"] == "patient"
        units = patients if by_patient else patients * patches_per_patient
        given = PrivateTraining(noise_multiplier=1.0, units=units, region_patches=region, **settings)
        if by_patient and given.patient_patches > patches_per_patient:
            raise ValueError(f"a patient has {patches_per_patient} patches, not {given.patient_patches}")
        planned = {"sampling_rate": given.sampling_rate, "steps": given.steps, "delta": given.unit_delta}
        return replace(given, noise_multiplier=noise_of(Level.parse(self.level), **planned))

    def identity(
        self,
        start: TrainedUNet,
        *,
        start_name: str,
        training: PrivateTraining,
        arrays: Iterable[np.ndarray],
        code: Iterable[Path],
        device: str,
        threads: int,
    ) -> dict[str, object]:
        """Return everything that decides the weights, as plain JSON (docs/mechanism.md, rule 7).

        The start is named by what it was trained on and how; its weights, which another version of the code
        or another machine changes, by a digest of their own. arrays, code: as of a GAN.
        """
        begun = {k: v for k, v in start.identity.items() if k not in _MACHINE}
        shape = {**asdict(start.shape), "patch": start.patch_size}
        return {
            "architecture": {"name": PRIVATE_UNET, **shape, "start": start_name, "start_training": begun},
            "start": start.digest(),
            "level": self.level,
            "run": self.number,
            **identify_training(training, arrays=arrays, code=code),
            "device": device,
            "threads": threads,
        }

    def source(
        self,
        *,
        seed: int,
        site: Site | None,
        training: PrivateTraining,
        identity: Mapping[str, object],
        patients: Sequence[str],
        scans: Path,
        results: Path | None,
    ) -> Stream | PaidRun:
        """Return where the random numbers come from: a published seed, or the site's secret at a charge.

        As of a GAN (`gan.run.GanRun.source`).
        """
        check_delta(delta=training.unit_delta, units=training.units, release=False)
        if site is None:
            return Stream(public_key(seed=seed, name=self.name), threads=identity["threads"])
        names = {"cohort": self.cohort, "architecture": PRIVATE_UNET, "level": self.level, "run": self.number}
        return paid_run(
            site,
            names,
            steps=training.steps,
            training=training,
            identity=identity,
            patients=patients,
            scans=scans,
            results=results,
        )

    def record(
        self, training: PrivateTraining, patches: Patches, start: str, account: Account | None
    ) -> dict[str, object]:
        """Return what privacy.json says about the finished run; `start`: the name of its public start."""
        name = {"arch": PRIVATE_UNET, "level": self.level, "run": self.number, "cohort": self.cohort}
        charged, promised = promises_of_steps(training.steps, training, patches, account)
        return {
            **name,
            **mechanism_record(training),
            "sampler": "poisson, fresh every step",
            **cohort_record(training, patches, account),
            "start": start,
            "steps": training.steps,
            "charged_steps": charged,
            "promises": promised,
        }


def split_settings(settings: Mapping[str, object]) -> tuple[dict[str, object], dict[str, object]]:
    """Return the keywords of `PrivateUNetRun.training`, and `device`, `threads` and `checkpoint_seconds`."""
    rest = dict(settings)
    machine = {name: rest.pop(name) for name in ("device", "threads", "checkpoint_seconds")}
    return rest, machine


def train_private_unet(
    run: PrivateUNetRun,
    patch_files: Iterable[Path],
    *,
    start: tuple[str, Path],
    settings: Mapping[str, object],
    source_of: Mapping[str, object],
    code: Iterable[Path],
    folder: Path,
) -> None:
    """Train a private U-Net and leave its files in `folder`, {results}/private-unet/{level}/run-{n}.

    patch_files: the patches of each training patient. start: name and weights of the public U-Net that the
    training begins from; nothing of a patient may have decided it. settings: the keywords of
    `PrivateUNetRun.training`, and `device`, `threads` and `checkpoint_seconds`. source_of: `seed`, `site` and
    `scans` of `PrivateUNetRun.source`. code: the files that decide a step.
    """
    settings, machine = split_settings(settings)
    device, threads = pick_device(machine["device"]).type, machine["threads"]
    torch.set_num_threads(threads)
    begin = TrainedUNet.load(start[1])
    patches = load(list(patch_files))
    begin.check_form(begin.shape, patch_size=patches.image.shape[-1])
    training = run.training(patches, **settings)
    arrays = (patches.image, patches.label, patches.patient_index)
    identity = run.identity(
        begin,
        start_name=start[0],
        training=training,
        arrays=arrays,
        code=code,
        device=device,
        threads=threads,
    )
    source = run.source(
        training=training,
        identity=identity,
        patients=patches.patients,
        results=folder.parents[2],
        **source_of,
    )
    train(
        LabelledPatches(*arrays, start=begin, device=device),
        start=begin,
        training=training,
        source=source,
        files=RunFiles(folder, identity, machine["checkpoint_seconds"]),
        device=device,
        record=partial(run.record, training, patches, start[0]),
    )
    log.info("%s: %d steps from %s", run.name, training.steps, start[0])
