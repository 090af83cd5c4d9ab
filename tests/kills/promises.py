"""The study that is disturbed, and what must hold of it at every moment."""

import csv
import json
import shutil
from hashlib import sha256
from pathlib import Path

from hospital import GAN, Hospital, hospital_at

from privessel.files import checkpoint

RESULTS = "results/hospital"
TARGETS = [f"{RESULTS}/figures/fig3.pdf", f"{RESULTS}/synthetic/wgan/noise-1/run-1/epoch-2.npz"]
CHANGES = {
    "levels": ["inf", "noise-1"],
    "runs": 1,
    "compared_architectures": [],
    "public_baselines": [],
    "shuffled": [],
    "export": [],
    "epoch_study": {"epochs": []},
    "gan": {"steps_per_epoch": 60, "checkpoint_seconds": 0.2},
    "unet": {
        "grid": {"learning_rate": [1.0e-3], "dropout": [0.0], "augment": [False]},
        "checkpoint_seconds": 0.2,
    },
    "privacy": {"budget": {"epsilon": 1000.0, "delta": 1.0e-3}},
}
CRITIC_STEPS = 2  # a generator step, in tests/config.yaml


def study_at(folder: Path, *, scans: Path, secret: Path) -> Hospital:
    """Return a fresh copy of the study, with private state of its own under the same secret."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(secret, folder / "state")
    study = hospital_at(folder / "study", scans, folder / "state")
    study.arguments = ["--configfile", "tests/config.yaml", "mine.yaml", "--cores", 2]
    study.configure(**CHANGES)
    return study


def begin(study: Hospital) -> None:
    """Begin the private run and take no step, so that all copies of the state draw the same noise."""
    study.begin(f"{GAN}/privacy.json", **CHANGES)
    study.configure(**CHANGES)


def digests(study: Hospital) -> dict[str, str]:
    """Return the digests of all results; a ledger's head says when it was charged, so it is left out."""
    root = study.folder / RESULTS
    found = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root)
        if path.is_file() and not any(part.startswith(".") for part in name.parts):
            content = path.read_bytes()
            if path.name == "privacy.json":
                record = json.loads(content)
                record.pop("ledger", None)
                content = json.dumps(record, sort_keys=True).encode()
            found[str(name)] = sha256(content).hexdigest()
    return found


def taken(study: Hospital) -> int:
    """Return the critic steps of the private run that anything on disk has been influenced by."""
    folder, steps = study.folder / GAN, [0]
    for place in (folder, folder / ".finished", folder / ".resume"):
        if (place / "history.csv").exists():
            rows = list(csv.DictReader((place / "history.csv").read_text().splitlines()))
            steps += [int(row["critic_steps"]) for row in rows]
        if (place / "checkpoint.pt").exists():
            steps.append(checkpoint.load(place / "checkpoint.pt")["gan"]["step"] * CRITIC_STEPS)
    return max(steps)


def charges(study: Hospital) -> list[tuple[int, int]]:
    """Return every charge in the ledger, attempt and step, read as a stranger would."""
    found = set()
    for path in study.state.glob("*.ledger"):
        for line in path.read_text().splitlines(keepends=True):
            if line.endswith("\n"):  # a line that a kill cut short counts for nothing
                record = json.loads(line)["record"]
                if record["kind"] == "charge":
                    found |= {(record["attempt"], step) for step in range(record["first"], record["last"])}
    return sorted(found)


def charged_twice(study: Hospital) -> int:
    """Return how many charges are of a step that has another one."""
    made = charges(study)
    return len(made) - len({step for _, step in made})


def broken_promises(study: Hospital, expected: dict[str, str]) -> list[str]:
    """Return what should not be, in the middle of a disturbed run as at its end."""
    there = digests(study)
    found = [f"{name} is not as undisturbed" for name in there if there[name] != expected.get(name)]
    unpaid = set(range(taken(study))) - {step for _, step in charges(study)}
    if unpaid:
        found.append(f"{len(unpaid)} of {taken(study)} steps are not in the ledger")
    return found
