"""What a result was made with: versions, the state of the code, digests of files, durations of steps."""

import hashlib
import json
import subprocess
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd

DURATIONS = ["step", "jobs", "seconds", "longest", "memory_mb"]


def list_versions(packages: Sequence[str]) -> dict[str, str]:
    """Return the installed version of each package, `not installed here` where there is none."""
    return {package: _version(package) for package in packages}


def list_trained_with(records: Sequence[Path]) -> dict[str, str]:
    """Return, by package, the versions that GANs were trained with, as their `privacy.json` files say.

    Reports are written in another environment, where these packages need not be.
    """
    versions: dict[str, set[str]] = {}
    for path in records:
        for package, number in json.loads(Path(path).read_text())["versions"].items():
            versions.setdefault(package, set()).add(number)
    return {package: ", ".join(sorted(numbers)) for package, numbers in versions.items()}


def find_commit(folder: Path) -> str | None:
    """Return the git commit of `folder`, with ` and local changes` where there are any; None outside git."""
    try:
        head = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{head} and local changes" if changed else head


def digest_files(paths: Sequence[Path]) -> dict[str, str]:
    """Return the SHA-256 digest of each file by its path, in order."""
    digests = {}
    for path in paths:
        with Path(path).open("rb") as file:
            digests[str(path)] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests


def sum_durations(benchmarks: Sequence[Path], *, root: Path) -> pd.DataFrame:
    """Return, per kind of step, jobs, their seconds in all, the longest and the most memory (`DURATIONS`).

    benchmarks: Snakemake's benchmark files, `{root}/{step}/....tsv`, with columns `s` (seconds) and `max_rss`
    (MB), NaN where a job was too short to be measured. Durations are of the last time a step ran.
    """
    measured = [
        pd.read_csv(path, sep="\t", na_values=["-"]).assign(step=Path(path).relative_to(root).parts[0])
        for path in benchmarks
    ]
    if not measured:
        return pd.DataFrame(columns=DURATIONS)
    groups = pd.concat(measured).groupby("step")
    table = groups.agg(
        jobs=("s", "size"), seconds=("s", "sum"), longest=("s", "max"), memory_mb=("max_rss", "max")
    )
    return table.reset_index()[DURATIONS]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed here"


def _git(folder: Path, *arguments: str) -> str:
    ended = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return ended.stdout.strip()
