"""The steps of a recipient's check of any release: signature, files, numbers and texts, and the verdict."""

import argparse
from collections.abc import Callable
from pathlib import Path

from privessel.release.checks.manifest import SIGNATURE, find_changes
from privessel.release.checks.signature import check_signature

# What a folder states, lines to print about it, and its contradictions.
Looked = tuple[dict, list[str], list[str]]


def check_folder(
    folder: Path,
    key: str | None,
    *,
    look: Callable[[Path], Looked],
    tell_verdict: Callable[[dict | None, list[str], str | None], str],
) -> int:
    """Print what was found and the verdict; return the exit status.

    look: reads the numbers of a folder whose files agree with its manifest, and checks them and all texts.
    tell_verdict: says in one line what is to be made of it; the third is the fingerprint of the key that the
    folder was found signed with.
    """
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
        print(tell_verdict(None, faults, None))
        return 1
    print(_tell_maker(folder, maker))
    try:
        stated, lines, faults = look(folder)
    except ImportError:
        print("verdict: none; eps was not computed: install dp-accounting, then run this again")
        return 2
    except (OSError, ArithmeticError, LookupError, AttributeError, TypeError, ValueError) as problem:
        stated, lines, faults = {}, [], [f"a file cannot be read ({problem!r})"]
    print("\n".join([*lines, tell_verdict(None if faults else stated, faults, maker)]))
    return 1 if faults else 0


def parse(description: str, folder: Path) -> argparse.Namespace:
    """Return the arguments of the command; `folder` is the one that is checked if none is given."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("folder", nargs="?", type=Path, default=folder)
    parser.add_argument("--key", help="fingerprint of the site's public key, or a file with either")
    return parser.parse_args()


def _tell_maker(folder: Path, maker: str | None) -> str:
    if maker:
        return f"maker: whoever has the key {maker}; every file is as it was signed"
    signed = "it is signed, but no --key was given" if (folder / SIGNATURE).exists() else "it is not signed"
    return f"maker: unknown ({signed}). The files agree with their own manifest, which anyone can write"
