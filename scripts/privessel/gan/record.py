"""What is written of a run: code and libraries that decide it, its mechanism, what every epoch has cost."""

from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

import numpy as np

from privessel.cohort.patches import Patches
from privessel.files.reading import file_digest
from privessel.gan.training import GanTraining
from privessel.privacy.account import Account
from privessel.privacy.accounting import Charge
from privessel.privacy.promises import Sizes, state_promises
from privessel.privacy.published import epsilon_published
from privessel.privacy.terms import PrivateTerms

LIBRARIES = ("torch", "numpy", "randomgen", "opacus", "dp-accounting")


def library_versions() -> dict[str, str]:
    """Return the versions of the libraries that decide a run's numbers."""
    return {name: version(name) for name in LIBRARIES}


def code_digests(code: Iterable[Path]) -> dict[str, str]:
    """Return the SHA-256 of each file, by its path in the package, such as gan/loop.py.

    Not by its bare name: gan/loop.py and unet/loop.py would hide each other. Raises ValueError for a file
    that is in no folder `privessel`, and for two files of one path.
    """
    digests = {}
    for path in code:
        folders = path.parts[:-1]
        if "privessel" not in folders:
            raise ValueError(f"{path} is no file of the package privessel, so it cannot decide a run")
        package = len(folders) - folders[::-1].index("privessel")
        name = "/".join(path.parts[package:])
        if name in digests:
            raise ValueError(f"two files of the code that decides a run are called {name}: {path} is one")
        digests[name] = file_digest(path)
    return dict(sorted(digests.items()))


def privacy_record(training: GanTraining, patches: Patches, account: Account | None) -> dict[str, object]:
    """Return what privacy.json says about a run, apart from its name.

    `account` is the run's account in the site's ledger, None for a run that is charged to nobody. With an
    account, the eps of an epoch counts every step as often as it was charged.
    """
    record = {"protection": "unprotected, inside only", "noise_multiplier": None, "sampler": "shuffled"}
    if training.private:
        record |= mechanism_record(training)
        record |= {"sampler": "poisson, fresh every critic step", "fake_clipping": training.fake_clipping}
    return record | cohort_record(training, patches, account) | {
        "epochs": {
            str(epoch): _epoch_record(epoch, training, patches, account)
            for epoch in sorted(training.kept_epochs)
        },
    }  # fmt: skip


def mechanism_record(training: PrivateTerms) -> dict[str, object]:
    """Return what privacy.json says of the mechanism of private steps."""
    return {
        "protection": "differential privacy",
        "unit": training.unit,
        "noise_multiplier": training.noise_multiplier,
        "clipping_norm": training.clipping_norm,
        "neighbours": f"one {training.unit} replaced by an empty one",
        "grid_bits": training.grid_bits,
        "delta": training.unit_delta,
        "sampling_rate": training.sampling_rate,
    }


def cohort_record(training: PrivateTerms, patches: Patches, account: Account | None) -> dict[str, object]:
    """Return what privacy.json says of the patients and of the ledger, and the libraries' versions."""
    record = {}
    if account:
        record["ledger"] = account.cite()
    return record | {
        "patients": len(patches.patients),
        "patches": len(patches.image),
        "region_patches": training.region_patches,
        "batch": training.batch,
        "public_key": account is None,
        "versions": library_versions(),
    }


def _epoch_record(
    epoch: int, training: GanTraining, patches: Patches, account: Account | None
) -> dict[str, object]:
    """Return what a kept epoch's generator has cost: a patient, a region and a unit, and as published."""
    private = training.private
    steps = epoch * training.steps_per_epoch * training.critic_steps
    charged, promised = promises_of_steps(steps, training, patches, account)
    charge = {
        "noise_multiplier": training.noise_multiplier,
        "sampling_rate": training.sampling_rate if private else 1.0,
        "steps": charged,
    }
    one = promised[training.unit]
    return {
        "charged_steps": charged if private else 0,
        "patient": promised["patient"],
        "region": promised["region"],
        "patch": promised["patch"],
        "epsilon": one["epsilon"],
        "loss_above_epsilon": one["loss_above_epsilon"],
        "epsilon_as_published": epsilon_published(**charge, delta=training.unit_delta) if private else None,
    }


def promises_of_steps(
    steps: int, training: PrivateTerms, patches: Patches, account: Account | None
) -> tuple[int, dict[str, dict[str, object]]]:
    """Return how many steps the first `steps` of a run were charged as, and what all of them promise."""
    charged = account.charged_before(steps) if account else steps
    noisy = training.noise_multiplier is not None
    charge = Charge(training.noise_multiplier, training.sampling_rate if noisy else 1.0, charged)
    promised = state_promises(
        [charge],
        unit=training.unit,
        sizes=Sizes(
            patients=len(patches.patients),
            patches_per_patient=int(np.bincount(patches.patient_index).max()),
            region_patches=training.region_patches,
        ),
        delta=training.delta,
        patient_delta=training.patient_delta,
    )
    return charged, promised
