"""One GAN run: who it is, which key draws its randomness, and what it reports about privacy."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from privessel.errors import PrivacyError
from privessel.gans import GanShape
from privessel.patches import Patches
from privessel.privacy.keys import Stream, identity_digest, public_key
from privessel.privacy.patient import patient_statement
from privessel.train_gan import LIBRARIES, privacy_record
from privessel.wgan import GanTraining


@dataclass(frozen=True)
class GanRun:
    """What names a run: architecture, level (`inf`, `noise-0.65`), number, and the cohort it learns from."""

    arch: str
    level: str
    number: int
    cohort: str
    public: bool  # nobody's scans, so that a published seed may draw sampling and noise

    @property
    def noise_multiplier(self) -> float | None:
        """Noise in units of the clipping norm; None at level `inf`."""
        return None if self.level == "inf" else float(self.level.removeprefix("noise-"))

    def identity(
        self,
        *,
        shape: GanShape,
        training: GanTraining,
        patches: Patches,
        code: Sequence[Path],
        device: str,
        threads: int,
    ) -> str:
        """Digest everything that decides the run's weights (`PRIVACY.md`, rule 7)."""
        return identity_digest(
            {
                "architecture": {"name": self.arch, **asdict(shape)},
                "level": self.level,
                "run": self.number,
                "training": asdict(training),
                "patches": _digest_patches(patches),
                "code": {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(code)},
                "libraries": {name: version(name) for name in LIBRARIES},
                "device": device,
                "threads": threads,
            }
        )

    def stream(self, *, seed: int) -> Stream:
        """Randomness of the run, from the published `seed`: for level `inf` and for public cohorts.

        Raises PrivacyError for a private level on patients: with a known seed its noise could be subtracted.
        """
        if self.noise_multiplier is not None and not self.public:
            raise PrivacyError(
                f"{self.arch}, level {self.level}, run {self.number}: cohort {self.cohort} is not marked "
                "`public: true`. A private run on patients must draw from a secret key and write what it "
                "spends to a ledger, which this version does not keep yet. Remedy: run level inf only (it "
                "must stay inside), or a public cohort."
            )
        return Stream(public_key(seed=seed, name=f"{self.arch}/{self.level}/run-{self.number}"))

    def record(self, training: GanTraining, patches: Patches) -> Callable[[], dict]:
        """What writes privacy.json once the run is finished."""
        patients = len(patches.patients)

        def state(steps: int) -> dict:
            return patient_statement(
                unit="patch",
                noise_multiplier=training.noise_multiplier,
                sampling_rate=training.batch / len(patches.image),
                steps=steps,
                patients=patients,
                patches_per_patient=len(patches.image) // patients,
                delta=training.delta,
            )

        def write() -> dict:
            name = {"arch": self.arch, "level": self.level, "run": self.number, "cohort": self.cohort}
            found = privacy_record(
                training=training, patches=len(patches.image), public_key=self.public, patient_statement=state
            )
            return name | found

        return write


def _digest_patches(patches: Patches) -> str:
    digest = hashlib.sha256()
    for part in (patches.image, patches.label):
        digest.update(part.tobytes())
    return digest.hexdigest()
