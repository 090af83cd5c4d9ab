"""Check a data set that privessel released: its files, its eps. Needs the package dp-accounting.

python verify.py: standard library and dp-accounting only. Exit status 0: every file is as it was released and
every eps is what its mechanisms give; 1: something is not; 2: it could not be checked. Read the verdict: a
data set can be intact and still say of itself that it protects nobody.

Part of privessel, MIT licence.
"""

import hashlib
import json
import math
import sys
import warnings
from pathlib import Path

MANIFEST = "MANIFEST.sha256"
AGREED = 0.01  # relative difference of two computations of one eps
SETTLED = 0.002  # the grid is refined until eps falls by less


def find_changes(folder):
    """Return a line for every file that is missing, changed, added or no plain file; none if all is well."""
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return [f"{MANIFEST} is missing"]
    listed, changes = {}, []
    for line in manifest.read_text(encoding="utf-8").splitlines():
        digest, _, name = line.partition("  ")
        listed[name] = digest
    for name, digest in listed.items():
        path = folder / name
        if path.is_symlink() or not path.is_file():
            changes.append(f"{name} is missing")
        elif hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            changes.append(f"{name} was changed")
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if (path.is_symlink() or not path.is_dir()) and name not in listed and name != MANIFEST:
            changes.append(f"{name} was added")
    return changes


def compose_epsilon(mechanisms, delta):
    """Return eps at delta of all mechanisms on one unit, by privacy loss distributions.

    mechanisms: dictionaries with noise_multiplier, sampling_rate and steps, of Gaussian noise on a Poisson
    sample. Every grid gives an upper bound; it is refined until that hardly falls.
    """
    from dp_accounting.pld import privacy_loss_distribution as losses

    spread = min(
        min(math.sqrt(math.expm1(min(1 / one["noise_multiplier"] ** 2, 700))) * one["sampling_rate"],
            1 / one["noise_multiplier"])
        for one in mechanisms
    )  # fmt: skip

    def bound(interval):
        total = None
        for one in mechanisms:
            step = losses.from_gaussian_mechanism(
                one["noise_multiplier"],
                sampling_prob=one["sampling_rate"],
                value_discretization_interval=interval,
            ).self_compose(one["steps"])
            total = step if total is None else total.compose(step)
        return float(total.get_epsilon_for_delta(delta))

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        interval, before = spread / 3, math.inf
        while True:
            found = bound(interval)
            if before - found <= SETTLED * found:
                return found
            interval, before = interval / 3, found


def check_numbers(stated):
    """Return (lines to show, faults): every eps of privacy.json beside what its mechanisms give."""
    lines, faults = [], []
    checks = {
        "the run that made the data": (stated["epsilon"], [stated["run"]]),
        "all runs on one patient": (stated["epsilon_composed"], stated["composed"]),
    }
    for name, (epsilon, mechanisms) in checks.items():
        found = compose_epsilon(mechanisms, stated["delta"])
        lines.append(
            f"eps of {name}: stated {epsilon:.4g}, computed {found:.4g}, at delta {stated['delta']:.3g}"
        )
        if not abs(epsilon - found) <= AGREED * found:
            faults.append(f"eps of {name} is stated as {epsilon:.4g}, but is {found:.4g}")
    if stated["run"] not in stated["composed"]:
        faults.append("the run that made the data is not among the runs on one patient")
    units = stated["patients"] if stated["unit"] == "patient" else stated["patches"]
    lines.append(f"unit: one {stated['unit']} of {units:,}")
    lines.append(stated["patient"]["sentence"])
    if stated["override"] is None:
        if not stated["delta"] < 1 / (10 * units):
            faults.append(f"delta {stated['delta']:.3g} is not below 1 / (10 x {units:,})")
        if stated["epsilon_composed"] > stated["epsilon_limit"]:
            faults.append("eps is above the limit that the site had set")
    return lines, faults


def tell_verdict(stated, faults):
    """Return the verdict in one line."""
    if faults:
        return "verdict: DO NOT RELY ON IT: " + "; ".join(faults)
    if stated["public_key"]:
        return (
            "verdict: intact, and PROTECTS NOBODY: its noise comes from a published seed, eps is in name only"
        )
    if stated["override"]:
        return f"verdict: intact, but RELEASED AGAINST THE RULES: {stated['override']['reason']}"
    return "verdict: intact, and its eps is what its mechanisms give"


def main(folder):
    """Print what was found and the verdict; return the exit status."""
    faults = find_changes(folder)
    if faults:
        print(tell_verdict(None, faults))
        return 1
    print("files: all as they were released")
    stated = json.loads((folder / "privacy.json").read_text(encoding="utf-8"))
    try:
        lines, faults = check_numbers(stated)
    except ImportError:
        print("verdict: none; eps was not computed: install dp-accounting, then run this again")
        return 2
    print("\n".join(lines))
    print(tell_verdict(stated, faults))
    return 1 if faults else 0


if __name__ == "__main__":
    # Compiled files of its own would be files that the manifest does not list.
    sys.dont_write_bytecode = True
    sys.exit(main(Path(__file__).resolve().parent))
