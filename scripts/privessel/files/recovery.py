"""Finding and cancelling the jobs that a Snakemake left behind when it died on a Slurm cluster."""

import getpass
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

PATIENCE_SECONDS = 300  # that cancelled jobs may take to end
COLUMNS = "%i|%T|%Z|%j|%k"  # id, state, folder, name, comment (the rule and its wildcards)


class SlurmError(RuntimeError):
    """Slurm is not installed here, does not answer, or does not do what it was asked for."""


@dataclass(frozen=True)
class Orphan:
    """A job in Slurm's queue whose Snakemake is gone."""

    id: str
    state: str
    rule: str


def find_orphans(*, prefix: str, folder: Path) -> list[Orphan]:
    """Return this user's jobs in the queue whose name starts with `prefix` and that work in `folder`."""
    command = ["squeue", "--noheader", "--array", f"--user={getpass.getuser()}", f"--format={COLUMNS}"]
    jobs = [line.split("|", 4) for line in _run(*command).splitlines()]
    return [
        Orphan(number, state, rule)
        for number, state, job_folder, name, rule in jobs
        if name.startswith(prefix) and Path(job_folder).resolve() == folder
    ]


def find_workflows(folder: Path) -> list[int]:
    """Return this machine's Snakemake processes that run a workflow in `folder`, but those inside jobs."""
    workflows = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            in_folder = (process / "cwd").resolve() == folder
        except OSError:  # the process has ended, or belongs to another user
            continue
        is_snakemake = any(word.endswith(b"snakemake") for word in words[:4])
        if in_folder and is_snakemake and b"--mode" not in words:
            workflows.append(int(process.name))
    return workflows


def cancel(orphans: list[Orphan], *, prefix: str, folder: Path) -> None:
    """Cancel jobs and wait until none is left in the queue; SlurmError where one stays."""
    if orphans:
        _run("scancel", *(orphan.id for orphan in orphans))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while left := find_orphans(prefix=prefix, folder=folder):
        if time.monotonic() > deadline:
            names = ", ".join(orphan.id for orphan in left)
            raise SlurmError(
                f"jobs {names} do not end: a node may be lost. Remedy: ask your cluster's administrators, "
                "then try again"
            )
        time.sleep(1)


def _run(*command: str) -> str:
    """Return what a command of Slurm prints; SlurmError where it cannot be run or fails."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except FileNotFoundError:
        raise SlurmError(
            f"{command[0]} is not installed here. Remedy: run this on the machine where snakemake ran"
        ) from None
    except subprocess.TimeoutExpired:
        raise SlurmError(f"{command[0]} does not answer. Remedy: try again when `sinfo` answers") from None
    except subprocess.CalledProcessError as error:
        raise SlurmError(
            f"{command[0]} failed: {error.stderr.strip()}. Remedy: mend what it names, then try again"
        ) from None
