"""Look at a folder of scans; write a table with a split, and a config that the other commands take.

python scripts/start_study.py FOLDER [--study mine] [--shares 60 20 20] [--seed 2022]
"""

import argparse
import sys
from collections import Counter
from pathlib import Path

from privessel.cohort.first_study import start_study
from privessel.cohort.rows import SPLITS
from privessel.errors import CohortError

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("folder", type=Path, help="where the scans and masks lie, BIDS or not")
parser.add_argument("--study", default="mine", help="name of the study and of the config; default: mine")
parser.add_argument(
    "--shares", type=float, nargs=3, default=(60, 20, 20), metavar=("TRAIN", "VALIDATION", "TEST")
)
parser.add_argument("--seed", type=int, default=2022, help="of the split; the same seed gives the same split")
chosen = parser.parse_args()
try:
    made = start_study(chosen.folder, study=chosen.study, shares=chosen.shares, seed=chosen.seed)
except CohortError as error:
    sys.exit(str(error))
except OSError as error:
    sys.exit(f"{error.filename}: {error.strerror}. Next: run it in a folder that you may write to")
counts = Counter(made.patients.values())
print(f"Layout: {made.kind}. {len(made.patients)} patients: {', '.join(f'{counts[s]} {s}' for s in SPLITS)}.")
print(f"Wrote {made.table}\nWrote {made.config}")
for remark in made.remarks:
    print(f"To look at: {remark}.")
print(f"Next: snakemake --configfile {made.config} --cores 2 intake  # checks and shows every scan")
