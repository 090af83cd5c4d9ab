"""Check heads that privessel released: their files, headers and eps, their texts, and who made them.

    python verify.py [--key FINGERPRINT_OR_FILE] [FOLDER]

It needs the package dp-accounting, and for --key the package cryptography. FOLDER is the data set's, by
default the one that this file lies in. Exit status 0: nothing contradicts anything else, and with --key the
data set is signed with that key; 1: do not rely on it; 2: it could not be checked. Read the verdict: a data
set can be without contradictions and still say of itself that it protects nobody.

It cannot see the sources. That the brains are theirs, and that the noise was drawn as stated, is what the
site answers for. Take both this program and the key's fingerprint from where the site and the authors of
privessel publish them.

Part of privessel, MIT licence.
"""

import argparse
import json
import sys
from pathlib import Path

# Compiled files of its own would be files that the manifest does not list.
sys.dont_write_bytecode = True
if not __package__:  # in a data set's folder, also where Python does not look there by itself
    sys.path.insert(0, str(Path(__file__).resolve().parent))

from privessel.release.checks.head_files import NUMBERS, find_contradictions  # noqa: E402
from privessel.release.checks.heads import check_numbers  # noqa: E402
from privessel.release.checks.manifest import find_changes  # noqa: E402
from privessel.release.checks.signature import check_signature  # noqa: E402


def tell_verdict(stated: dict | None, faults: list[str], maker: str | None = None) -> str:
    """Return the verdict in one line; `maker`: the fingerprint of the key that it was found signed with."""
    if faults:
        return "verdict: DO NOT RELY ON IT: " + "; ".join(faults)
    who = f"signed with the key {maker}" if maker else "who made it is unknown"
    if not stated["protects"]:
        return (
            "verdict: no contradiction, and it PROTECTS NOBODY: its noise comes from a published seed, and "
            f"eps is in name only; {who}"
        )
    if stated["override"]:
        told = f"{stated['override']['refused']} {stated['override']['reason']}".rstrip(".")
        return f"verdict: no contradiction, but RELEASED AGAINST THE RULES: {told}; {who}"
    return f"verdict: no contradiction, and the promise is the one that PRIVACY.md states; {who}"


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
    try:
        stated = json.loads((folder / NUMBERS).read_text(encoding="utf-8"))
        lines, faults = check_numbers(stated)
        faults += [] if faults and not lines else find_contradictions(folder, stated)
    except ImportError:
        print("verdict: none; eps was not computed: install dp-accounting, then run this again")
        return 2
    except (OSError, ArithmeticError, LookupError, AttributeError, TypeError, ValueError) as problem:
        lines, faults = [], [f"a file cannot be read ({problem!r})"]
    print("\n".join([*lines, tell_verdict(None if faults else stated, faults, maker)]))
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
