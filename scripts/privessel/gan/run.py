"""One GAN run: its name, everything that decides its weights, and where its random numbers come from."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from privessel.cohort.intake import read_voxels
from privessel.cohort.patches import Patches, digest
from privessel.cohort.regions import region_patches
from privessel.device import replaying_machine
from privessel.errors import PrivacyError
from privessel.gan.nets import GanShape
from privessel.gan.record import code_digests, library_versions, privacy_record
from privessel.gan.step import Watch
from privessel.gan.training import GanTraining
from privessel.privacy.account import Account, Run
from privessel.privacy.accounting import check_delta
from privessel.privacy.identity import identity_digest
from privessel.privacy.keys import Stream, public_key
from privessel.privacy.planner import noise_of
from privessel.privacy.site import PaidRun, Site
from privessel.privacy.terms import PrivateTerms
from privessel.study.names import Level


@dataclass(frozen=True)
class GanRun:
    """A run is named by its architecture, level (`inf`, `noise-0.65`, `eps-5`), number and cohort."""

    arch: str
    level: str
    number: int
    cohort: str  # whose training patients it is trained on
    series: ClassVar[str] = "run"  # a run of the study; see `audit.run` for the other series

    @property
    def name(self) -> str:
        """The name that messages use, such as wgan/noise-1/run-2; for a study's run its folder under gan/."""
        return f"{self.arch}/{self.level}/{self.series}-{self.number}"

    def training(self, patches: Patches, **settings: object) -> GanTraining:
        """Return the hyper-parameters at this level; see `planned_training`.

        Raises PrivacyError where there are not as many `patches` as the settings say.
        """
        require_counts(patches, patients=settings["patients"], each=settings["patches_per_patient"])
        region = region_patches(patches, max_overlap=settings["max_overlap"])
        return self.planned_training(region=region, **settings)

    def planned_training(
        self,
        *,
        patients: int,
        patches_per_patient: int,
        max_overlap: int | None,
        region: int | None = None,
        **settings: object,
    ) -> GanTraining:
        """Return the hyper-parameters at this level; `settings` are all that the arguments do not decide.

        The units that the noise hides one of are those of the config: `patients` of the cohort's table, each
        with `patches_per_patient`. These numbers are public and set the sampling rate; a rate that was
        counted from the data would change with them. `region` is how many patches show one place; None:
        before patches are cut, that is `max_overlap`, or all of a patient's.

        At a level such as eps-5 the noise is calibrated to all steps of the run, including those after the
        last kept epoch, because they are charged too.
        """
        level = Level.parse(self.level)
        # Units and sampling rate do not depend on how much noise there is, only on whether there is any.
        some_noise = 1.0 if level.private else None
        given = GanTraining(
            noise_multiplier=some_noise,
            units=patients * patches_per_patient,
            region_patches=region or max_overlap or patches_per_patient,
            **settings,
        )
        if given.by_patient:
            given = replace(given, units=patients)
        steps = given.steps * given.critic_steps
        noise = noise_of(level, sampling_rate=given.sampling_rate, steps=steps, delta=given.unit_delta)
        return replace(given, noise_multiplier=noise)

    def prepare(
        self, patches: Patches, *, training: GanTraining, site: Site | None, **parts: object
    ) -> tuple[Patches, dict[str, object]]:
        """Return what the run is trained on, and its identity; a run of the study is trained on `patches`.

        `parts` are the other arguments of `identity`: shape, code, device and threads.
        """
        arrays = (patches.image, patches.label, patches.patient_index)
        return patches, self.identity(training=training, arrays=arrays, **parts)

    def watch(self, training: GanTraining, *, genuine: int, device: str) -> Watch | None:
        """Return what observes the training: nothing does in a run of the study."""
        return None

    def identity(
        self,
        *,
        shape: GanShape,
        training: GanTraining,
        arrays: Iterable[np.ndarray],
        code: Iterable[Path],
        device: str,
        threads: int,
    ) -> dict[str, object]:
        """Return everything that decides the run's weights, as plain JSON (docs/mechanism.md, rule 7).

        arrays: images, labels and patients exactly as they are handed to training, so that any change made to
        the patches on the way shows. code: the files of the package that decide a training step.
        """
        name = {"architecture": {"name": self.arch, **asdict(shape)}, "level": self.level, "run": self.number}
        machine = {"device": device, "threads": threads}
        return name | identify_training(training, arrays=arrays, code=code) | machine

    def source(
        self,
        *,
        seed: int,
        site: Site | None,
        training: GanTraining,
        identity: Mapping[str, object],
        patients: Sequence[str],
        scans: Path,
        results: Path | None = None,
    ) -> Stream | PaidRun:
        """Return where the run's random numbers come from.

        Level `inf`, and every level on a public cohort (`site` None), uses the published `seed`. A private
        level on patients uses the site's secret, and is charged to the site's ledgers for all `patients`
        whose patches it is trained on. `scans` is the table of training patients and their scans' digests.
        `results` is the study's folder of results: what earlier runs there were charged for must be in the
        ledgers. Raises PrivacyError for a delta that protects nobody.
        """
        if training.private:
            check_delta(delta=training.unit_delta, units=training.units, release=False)
        if site is None or not training.private:
            return Stream(public_key(seed=seed, name=self.name), threads=identity["threads"])
        names = {"cohort": self.cohort, "architecture": self.arch, "level": self.level, "run": self.number}
        return paid_run(
            site,
            names | {"series": self.series},
            steps=training.steps * training.critic_steps,
            training=training,
            identity=identity,
            patients=patients,
            scans=scans,
            results=results,
        )

    def record(
        self,
        training: GanTraining,
        patches: Patches,
        account: Account | None,
        *,
        identity: Mapping[str, object],
    ) -> dict[str, object]:
        """Return what privacy.json says about the finished run (see `privacy_record`)."""
        name = {"arch": self.arch, "level": self.level, "run": self.number, "cohort": self.cohort}
        return name | privacy_record(training, patches, account)


def identify_training(
    training: PrivateTerms, *, arrays: Iterable[np.ndarray], code: Iterable[Path]
) -> dict[str, object]:
    """Return the part of an identity that says what is done to which patches, by which code."""
    return {
        "training": asdict(training),
        "patches": digest(*arrays),
        "code": code_digests(code),
        "libraries": library_versions(),
    }


def paid_run(
    site: Site,
    names: Mapping[str, object],
    *,
    steps: int,
    training: PrivateTerms,
    identity: Mapping[str, object],
    patients: Sequence[str],
    scans: Path,
    results: Path | None,
) -> PaidRun:
    """Return a run of so many private `steps` on patients of a site, before its ledger is opened.

    names: what an `account.Run` calls cohort, architecture, level, run and series. The rest as
    `GanRun.source`. Raises PrivacyError for a delta that protects nobody.
    """
    check_delta(delta=site.delta, units=training.units, release=False)
    voxels = read_voxels(scans)
    digests = site.digests({patient: voxels[patient] for patient in patients})
    run = Run(
        identity=identity_digest(identity),
        **names,
        unit=training.unit,
        noise_multiplier=training.noise_multiplier,
        sampling_rate=training.sampling_rate,
        steps=steps,
        patients=tuple(digests.values()),
        # The units are those of all patients, who gave the same number of patches each.
        patches_per_patient=None if training.by_patient else training.units // len(patients),
        region_patches=training.region_patches,
    )
    machine, threads = replaying_machine(str(identity["device"])), identity["threads"]
    return PaidRun(site, run, digests, machine=machine, threads=threads, results=results)


def require_counts(patches: Patches, *, patients: int, each: int) -> None:
    """Raise PrivacyError unless there are `patients` patients, and each of them has `each` patches."""
    found = np.bincount(patches.patient_index, minlength=len(patches.patients))
    if len(patches.patients) != patients:
        raise PrivacyError(
            f"{len(patches.patients)} patients have patches, but the cohort's table has {patients} training "
            "patients. Their number is public and sets the sampling rate, so it may not follow from the "
            "files. "
            "Remedy: run the same command again, which makes the missing patches and leaves others out"
        )
    for patient, own in zip(patches.patients, found, strict=True):
        if own != each:
            raise PrivacyError(
                f"patient {patient}: {own} patches, but patches.per_patient is {each}. The number of "
                "units is public and sets the sampling rate, so it may not follow from the files. Remedy: "
                "remove the patient's file of patches and run the same command again; it is made anew"
            )
