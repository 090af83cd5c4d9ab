"""What a Snakemake that died on a Slurm cluster left behind, found and cancelled."""

import getpass
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

PATIENCE_SECONDS = 300  # that cancelled jobs may take to end
COLUMNS = "%i|%T|%Z|%j|%k"  # id, state, folder, name, comment (the rule and its wildcards)


class SlurmError(RuntimeError):
    """Slurm is not there, does not answer, or does not do what it was asked for."""


@dataclass(frozen=True)
class Orphan:
    """A job in Slurm's queue whose Snakemake is gone."""

    id: str
    state: str
    rule: str


def find_orphans(*, prefix: str, folder: Path) -> list[Orphan]:
    """Return this user's jobs in the queue whose name starts with `prefix` and that work in `folder`."""
    asked = ["squeue", "--noheader", "--array", f"--user={getpass.getuser()}", f"--format={COLUMNS}"]
    jobs = [line.split("|", 4) for line in _told(*asked).splitlines()]
    return [
        Orphan(number, state, rule)
        for number, state, place, name, rule in jobs
        if name.startswith(prefix) and Path(place).resolve() == folder
    ]


def find_workflows(folder: Path) -> list[int]:
    """Return the processes of this machine that direct a workflow in `folder`; those inside jobs do not."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            here = (process / "cwd").resolve() == folder
        except OSError:  # it has ended, or is another user's
            continue
        if here and b"--mode" not in words and any(word.endswith(b"snakemake") for word in words[:4]):
            found.append(int(process.name))
    return found


def cancel(orphans: list[Orphan], *, prefix: str, folder: Path) -> None:
    """Cancel jobs and wait until Slurm has let go of all that `find_orphans` finds; else SlurmError."""
    if orphans:
        _told("scancel", *(orphan.id for orphan in orphans))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while left := find_orphans(prefix=prefix, folder=folder):
        if time.monotonic() > deadline:
            names = ", ".join(orphan.id for orphan in left)
            raise SlurmError(
                f"jobs {names} do not end: a node may be lost. Remedy: ask your site, then try again"
            )
        time.sleep(1)


def _told(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    except FileNotFoundError:
        raise SlurmError(f"{command[0]} is not here. Remedy: run this where snakemake ran") from None
    except subprocess.TimeoutExpired:
        raise SlurmError(f"{command[0]} does not answer. Remedy: try again when `sinfo` does") from None
    except subprocess.CalledProcessError as error:
        raise SlurmError(f"{command[0]} failed: {error.stderr.strip()}") from None
