"""Check a data set that privessel released: its files, its eps, its texts, and who made it.

    python verify.py [--key FINGERPRINT_OR_FILE] [FOLDER]

It needs the package dp-accounting, and for --key the package cryptography. FOLDER is the data set's, by
default the one that this file lies in. Exit status 0: nothing contradicts anything else, and with --key the
data set is signed with that key; 1: do not rely on it; 2: it could not be checked. Read the verdict: a data
set can be without contradictions and still say of itself that it protects nobody.

Files and numbers without contradictions prove nothing about who made them: whoever changes the files can
change this program, too. Take both this program and the key's fingerprint from where the site and the
authors of privessel publish them.

Part of privessel, MIT licence.
"""

import sys
from pathlib import Path

# Compiled files of its own would be files that the manifest does not list.
sys.dont_write_bytecode = True
if not __package__:  # in a data set's folder, also where Python does not look there by itself
    sys.path.insert(0, str(Path(__file__).resolve().parent))

from privessel.release.checks.files import find_contradictions, read_numbers  # noqa: E402
from privessel.release.checks.numbers import check_numbers  # noqa: E402
from privessel.release.checks.recipient import check_folder, parse  # noqa: E402

UNKNOWN = "who made it is unknown"


def tell_verdict(stated: dict | None, faults: list[str], maker: str | None = None) -> str:
    """Return the verdict in one line; `maker`: the fingerprint of the key that it was found signed with."""
    if faults:
        return "verdict: DO NOT RELY ON IT: " + "; ".join(faults)
    who = f"signed with the key {maker}" if maker else UNKNOWN
    if stated["public_key"]:
        random = "draw" if stated["vote"] else "noise"
        return (
            f"verdict: no contradiction, and it PROTECTS NOBODY: its {random} comes from a published seed, "
            f"and eps is in name only; {who}"
        )
    reasons = [(stated["override"] or {}).get("reason"), stated["region"]["reason"]]
    if any(reasons):
        told = " ".join(filter(None, reasons)).rstrip(".")
        return f"verdict: no contradiction, but RELEASED AGAINST THE RULES: {told}; {who}"
    return f"verdict: no contradiction, and every eps is what its mechanisms give; {who}"


def look(folder: Path) -> tuple[dict, list[str], list[str]]:
    """Return what a folder states, lines about it, and its contradictions; as `check_folder` asks."""
    stated = read_numbers(folder)
    lines, faults = check_numbers(stated)
    return stated, lines, faults if faults and not lines else faults + find_contradictions(folder, stated)


def main(folder: Path, key: str | None = None) -> int:
    """Print what was found and the verdict; return the exit status."""
    return check_folder(folder, key, look=look, tell_verdict=tell_verdict)


if __name__ == "__main__":
    asked = parse(__doc__.splitlines()[0], Path(__file__).resolve().parent)
    sys.exit(main(asked.folder.resolve(), asked.key))
