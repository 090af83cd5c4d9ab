"""The processes of a running workflow: which there are, and an end to one or all of them."""

import os
import random
import re
import signal
import subprocess
import time
from pathlib import Path


def living(group: int) -> dict[int, str]:
    """Return the processes of a group that still run: process -> command line."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, pgid = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
                if int(pgid) == group and state not in "ZX":
                    found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
            except (FileNotFoundError, ProcessLookupError):
                continue  # it ended meanwhile
    return found


def kill_one(group: int, dice: random.Random) -> tuple[str, str]:
    """Kill a random process of a random kind; return the kind and the scripts that were hit.

    Kinds: `snakemake` itself, the `shell` of a job, and the `job`, whose command line is Python's.
    """
    while alive := living(group):
        kinds = {}
        for process, command in sorted(alive.items()):
            is_job = _script(command) and "python" in command.partition(" ")[0]
            kind = "snakemake" if process == group else "job" if is_job else "shell"
            kinds.setdefault(kind, []).append(process)
        kind = dice.choice(sorted(kinds))
        victim = dice.choice(kinds[kind])
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            continue  # it ended just now
        hit = alive.values() if kind == "snakemake" else [alive[victim]]
        return kind, ", ".join(sorted({_script(command) for command in hit} - {""})) or "between jobs"
    return "nothing", "all had just ended"


def clear_away(run: subprocess.Popen) -> None:
    """End all that is left of a run, which leads its process group."""
    while living(run.pid):
        try:
            os.killpg(run.pid, signal.SIGKILL)
        except ProcessLookupError:
            break
        time.sleep(0.05)
    run.wait(timeout=60)


def _script(command: str) -> str:
    """Return the script that a command line runs, such as `train_gan`; nothing where it runs none."""
    found = re.search(r"\.snakemake/scripts/[^./]+\.(\w+)\.py", command)
    return found[1] if found else ""
