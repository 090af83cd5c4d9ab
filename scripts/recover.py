"""Clean up after a Snakemake that died on a cluster: cancel its jobs, unlock the folder, start again.

It asks before it does anything.

python scripts/recover.py [--profile FOLDER] [--yes] [-- ARGUMENTS OF SNAKEMAKE]
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import yaml

from privessel.files.recovery import SlurmError, cancel, find_orphans, find_workflows

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--profile", type=Path, default=Path("profiles/slurm"))
parser.add_argument("--yes", action="store_true", help="do everything without asking")
parser.add_argument("snakemake", nargs="*", metavar="...", help="after --: further arguments for snakemake")
chosen = parser.parse_args()
folder = Path.cwd().resolve()
prefix = yaml.safe_load((chosen.profile / "config.yaml").read_text())["slurm-jobname-prefix"]
snakemake = [sys.executable, "-m", "snakemake", "--profile", str(chosen.profile), *chosen.snakemake]
try:
    if living := find_workflows(folder):
        sys.exit(f"Snakemake still runs here (process {living[0]}). Remedy: end it (Ctrl-C) or wait for it")
    orphans = find_orphans(prefix=prefix, folder=folder)
    jobs = "1 job" if len(orphans) == 1 else f"{len(orphans)} jobs"
    print(f"In {folder}:\n1. cancel {jobs} of Slurm named {prefix}*")
    for orphan in orphans:
        print(f"     {orphan.id}  {orphan.state:10}  {orphan.rule}")
    print("2. wait until they have ended, and remove Snakemake's lock from this folder (--unlock)")
    print(f"3. start again: {' '.join(snakemake[1:])}")
    print("If Snakemake may still run on another machine of the cluster, end it there first.", flush=True)
    if not chosen.yes and input("Go on? [y/N] ").strip().lower() != "y":
        sys.exit("Nothing was done.")
    cancel(orphans, prefix=prefix, folder=folder)
except SlurmError as error:
    sys.exit(str(error))
unlocked = subprocess.run([*snakemake, "--unlock"], check=False)
sys.exit(unlocked.returncode) if unlocked.returncode else os.execv(sys.executable, snakemake)
