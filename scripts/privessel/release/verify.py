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

import argparse
import sys
from pathlib import Path

# Compiled files of its own would be files that the manifest does not list.
sys.dont_write_bytecode = True
if not __package__:  # in a data set's folder, also where Python does not look there by itself
    sys.path.insert(0, str(Path(__file__).resolve().parent))

from privessel.release.checks.files import find_contradictions, read_numbers  # noqa: E402
from privessel.release.checks.manifest import SIGNATURE, find_changes  # noqa: E402
from privessel.release.checks.numbers import check_numbers  # noqa: E402
from privessel.release.checks.signature import check_signature  # noqa: E402

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


def main(folder: Path, key: str | None = None) -> int:
    """Print what was found and the verdict; return the exit status."""
    faults, maker = [], None
    if key:
        try:
            maker, faults = check_signature(folder, key)
        except ImportError:
            print("verdict: none; the signature was not checked: install cryptography, then run this again")
            return 2
        except ValueError as problem:
            print(f"verdict: none; {problem}")
            return 2
    faults += find_changes(folder)
    if faults:
        print(tell_verdict(None, faults))
        return 1
    if maker:
        print(f"maker: whoever has the key {maker}; every file is as it was signed")
    else:
        signed = (
            "it is signed, but no --key was given" if (folder / SIGNATURE).exists() else "it is not signed"
        )
        print(f"maker: unknown ({signed}). The files agree with their own manifest, which anyone can write")
    try:
        stated = read_numbers(folder)
        lines, faults = check_numbers(stated)
        faults += [] if faults and not lines else find_contradictions(folder, stated)
    except ImportError:
        print("verdict: none; eps was not computed: install dp-accounting, then run this again")
        return 2
    except (OSError, ArithmeticError, LookupError, AttributeError, TypeError, ValueError) as problem:
        lines, faults = [], [f"a file cannot be read ({problem!r})"]
    for line in lines:
        print(line)
    print(tell_verdict(stated, faults, maker) if not faults else tell_verdict(None, faults))
    return 1 if faults else 0


def parse() -> argparse.Namespace:
    """Return the arguments of the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).resolve().parent)
    parser.add_argument("--key", help="fingerprint of the site's public key, or a file with either")
    return parser.parse_args()


if __name__ == "__main__":
    asked = parse()
    sys.exit(main(asked.folder.resolve(), asked.key))
