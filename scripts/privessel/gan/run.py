"""One GAN run: who it is, which key draws its randomness, and what it reports about privacy."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

import numpy as np

from privessel.cohort.intake import read_voxels
from privessel.cohort.patches import Patches, digest
from privessel.device import pick_device, replaying_machine
from privessel.gan.nets import GanShape
from privessel.gan.training import GanTraining
from privessel.privacy.account import Account, Run
from privessel.privacy.accounting import check_delta, epsilon, epsilon_published
from privessel.privacy.keys import Stream, identity_digest, public_key
from privessel.privacy.patient import patient_statement
from privessel.privacy.planner import noise_of
from privessel.privacy.site import PaidRun, Site

LIBRARIES = ("torch", "numpy", "randomgen", "opacus", "dp-accounting")  # named in privacy.json


@dataclass(frozen=True)
class Settings:
    """The keys of a config's `gan` at one level, parted by what they are for."""

    shape: GanShape
    training: dict[str, object]  # for `GanRun.training`
    device: str
    threads: int
    checkpoint_seconds: float

    @classmethod
    def parted(cls, keys: Mapping[str, object], *, patch: int) -> "Settings":
        """Part `keys`; patches have `patch` pixels a side, and `device` is one that there is."""
        rest = dict(keys)
        own = {"device": pick_device(rest.pop("device")).type}
        own |= {name: rest.pop(name) for name in ("threads", "checkpoint_seconds")}
        form = {field.name: rest.pop(field.name) for field in fields(GanShape) if field.name != "patch"}
        return cls(shape=GanShape(patch=patch, **form), training=rest, **own)


@dataclass(frozen=True)
class GanRun:
    """What names a run: architecture, level (`inf`, `noise-0.65`, `eps-5`), number and training cohort."""

    arch: str
    level: str
    number: int
    cohort: str
    series: ClassVar[str] = "run"

    @property
    def name(self) -> str:
        """The run as a user knows it; of a study's runs the folder under gan/."""
        return f"{self.arch}/{self.level}/{self.series}-{self.number}"

    def training(self, patches: Patches, **settings: object) -> GanTraining:
        """Return the hyper-parameters at this level: `settings` are all but noise multiplier and units.

        Of a level such as eps-5 the noise is calibrated to all steps of the run, also those after the last
        kept epoch: they are charged too.
        """
        noise = None if self.level == "inf" else 1.0
        given = GanTraining(noise_multiplier=noise, units=len(patches.image), **settings)
        if given.by_patient:
            given = replace(given, units=len(patches.patients))
        steps = given.steps * given.critic_steps
        noise = noise_of(self.level, sampling_rate=given.sampling_rate, steps=steps, delta=given.unit_delta)
        return replace(given, noise_multiplier=noise)

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
        """Return everything that decides the run's weights (`PRIVACY.md`, rule 7), as plain JSON.

        arrays: images, labels and patients as they are handed to training, so that whatever was done to the
        patches on their way there shows.
        """
        return {
            "architecture": {"name": self.arch, **asdict(shape)},
            "level": self.level,
            "run": self.number,
            "training": asdict(training),
            "patches": digest(*arrays),
            "code": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(code)},
            "libraries": {name: version(name) for name in LIBRARIES},
            "device": device,
            "threads": threads,
        }

    def source(
        self,
        *,
        seed: int,
        site: Site | None,
        training: GanTraining,
        identity: Mapping[str, object],
        patches: Patches,
        patients: Sequence[str],
        scans: Path,
    ) -> Stream | PaidRun:
        """Return where the run's draws come from.

        Level `inf` and public cohorts (`site` None) draw from the published `seed`. Private levels on
        patients draw from the site's secret and are charged to its ledgers, for all `patients` whose patches
        are trained on; `scans` is the table of training patients, with the digests of their scans. Raises
        PrivacyError for a delta that protects nobody.
        """
        if training.private:
            check_delta(delta=training.unit_delta, units=training.units, release=False)
        if site is None or not training.private:
            return Stream(public_key(seed=seed, name=self.name), threads=identity["threads"])
        check_delta(delta=site.delta, units=training.units, release=False)
        voxels = read_voxels(scans)
        digests = site.digests({patient: voxels[patient] for patient in patients})
        run = Run(
            identity=identity_digest(identity),
            cohort=self.cohort,
            architecture=self.arch,
            level=self.level,
            run=self.number,
            unit=training.unit,
            noise_multiplier=training.noise_multiplier,
            sampling_rate=training.sampling_rate,
            steps=training.steps * training.critic_steps,
            patients=tuple(digests.values()),
            series=self.series,
        )
        machine = replaying_machine(str(identity["device"]))
        return PaidRun(site, run, digests, machine=machine, threads=identity["threads"])

    def record(self, training: GanTraining, patches: Patches, account: Account | None) -> dict:
        """Return what privacy.json says of the finished run: its mechanism, and each kept epoch three ways.

        With an `account` an epoch's eps counts every step as often as it was charged.
        """
        private, patients = training.private, len(patches.patients)
        rate = training.sampling_rate if private else None
        epochs = {}
        for epoch in sorted(training.kept_epochs):
            steps = epoch * training.steps_per_epoch * training.critic_steps
            charged = account.charged_before(steps) if account else steps
            spent = {
                "noise_multiplier": training.noise_multiplier,
                "sampling_rate": rate or 1.0,
                "steps": charged,
            }
            delta = training.unit_delta
            epochs[str(epoch)] = {
                "charged_steps": charged if private else 0,
                "epsilon": epsilon(**spent, delta=delta) if private else None,
                "epsilon_as_published": epsilon_published(**spent, delta=delta) if private else None,
                "patient": patient_statement(
                    **spent,
                    unit=training.unit,
                    patients=patients,
                    patches_per_patient=int(np.bincount(patches.patient_index).max()),
                    delta=training.patient_delta,
                ),
            }
        record = {
            "arch": self.arch,
            "level": self.level,
            "run": self.number,
            "cohort": self.cohort,
            "protection": "unprotected, inside only",
            "noise_multiplier": None,
            "sampler": "shuffled",
        }
        if private:
            record |= {
                "protection": "differential privacy",
                "unit": training.unit,
                "noise_multiplier": training.noise_multiplier,
                "clipping_norm": training.clipping_norm,
                "delta": training.unit_delta,
                "sampler": "poisson, fresh every critic step",
                "sampling_rate": rate,
                "fakes": training.fakes,
            }
        if account:
            stood = {"identity": account.run.identity, "attempts": len(account.attempts)}
            record["ledger"] = stood | asdict(account.head)
        return record | {
            "patients": patients,
            "patches": len(patches.image),
            "batch": training.batch,
            "public_key": account is None,
            "epochs": epochs,
            "versions": {name: version(name) for name in LIBRARIES},
        }
