"""The files of a release: which there must be, and that they agree with manifest and privacy.json."""

import ast
import json
import re
import zipfile
from pathlib import Path

from privessel.release.checks.card import name_dataset, write_card
from privessel.release.checks.croissant import DESCRIBED, describe_dataset
from privessel.release.checks.exports import describe_nnunet, find_odd_png, list_pairs
from privessel.release.checks.licences import write_licence
from privessel.release.checks.manifest import MANIFEST, PUBLIC_KEY, SIGNATURE, digest_of
from privessel.release.checks.statement import write_statement
from privessel.release.checks.words import call, is_model

# The programs of a release, and where they lie in the library: the check, and the accountant it needs.
CHECKS = (
    "__init__", "card", "cautions", "croissant", "epsilon", "exports", "files", "licences", "manifest",
    "models", "numbers", "recipient", "shape", "signature", "statement", "votes", "words",
)  # fmt: skip
ACCOUNTANT = (
    "privacy/accounting", "privacy/levels", "privacy/losses", "privacy/patient", "privacy/renyi", "errors",
    "limits",
)  # fmt: skip
PROGRAMS = {"verify.py": "release/verify.py"}
PROGRAMS |= {f"checks/{name}.py": f"release/checks/{name}.py" for name in CHECKS}
PROGRAMS |= {f"checks/{name.rpartition('/')[2]}.py": f"{name}.py" for name in ACCOUNTANT}
TEXTS = {"PRIVACY.md": write_statement, "README.md": write_card, "LICENSE": write_licence}


def name_model(numbers: dict) -> str:
    """Return the path of the model that a release may hold: a GAN's generator, or a U-Net."""
    return "model/unet.pt" if has_unet(numbers) else "model/generator.pt"


def has_unet(numbers: dict) -> bool:
    """Whether the model of a release is a U-Net: a voted set's, or a private one."""
    return bool(numbers["vote"]) or is_model(numbers)


def list_expected(numbers: dict) -> set[str]:
    """Return the names of all files that a release with this privacy.json has."""
    data = numbers["data"]
    signed = [SIGNATURE, PUBLIC_KEY] * data["signed"]
    if is_model(numbers):
        return {*TEXTS, *PROGRAMS, "privacy.json", name_model(numbers), MANIFEST, *signed}
    nnunet, png = Path("data", "nnunet", name_dataset(data["name"])), Path("data", "png")
    found = {nnunet / "dataset.json"}
    for number in map("{:05d}".format, range(data["pairs"])):
        found |= {png / f"image-{number}.png", png / f"label-{number}.png"}
        found |= {nnunet / "imagesTr" / f"case_{number}_0000.png", nnunet / "labelsTr" / f"case_{number}.png"}
    names = {path.as_posix() for path in found} | {*TEXTS, *DESCRIBED, *PROGRAMS, MANIFEST, "croissant.json"}
    return names | {*([name_model(numbers)] * data["weights"]), *signed}


def find_contradictions(folder: Path, numbers: dict) -> list[str]:
    """Return where files contradict privacy.json: which there are, their texts, metadata and sizes."""
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    expected = list_expected(numbers)
    called = call(numbers)["set"]
    found = [f"{name} is missing, which this {called} should have" for name in sorted(expected - there)[:5]]
    found += [f"{name} is no file of this {called}" for name in sorted(there - expected)[:5]]
    if found:
        return found
    for name, write in TEXTS.items():
        stated, derived = (folder / name).read_bytes().decode(), write(numbers)
        if stated != derived:
            found.append(f"{name} says other than privacy.json: {_first_difference(stated, derived)}")
    if is_model(numbers):
        return found
    digests = {name: digest_of(folder / name) for name in DESCRIBED}
    described = json.dumps(describe_dataset(numbers, digests), indent=1, ensure_ascii=False) + "\n"
    if (folder / "croissant.json").read_bytes() != described.encode():
        found.append("croissant.json describes other files or another data set than these")
    pairs, nnunet = numbers["data"]["pairs"], Path("data", "nnunet", name_dataset(numbers["data"]["name"]))
    exported = {
        Path("data", "png", "pairs.csv"): list_pairs(pairs),
        nnunet / "dataset.json": describe_nnunet(pairs),
    }
    for path, derived in exported.items():
        if (folder / path).read_bytes() != derived.encode():
            found.append(f"{path.as_posix()} is not what {pairs:,} pairs give")
    return found + _find_odd_sizes(folder, numbers)


def read_numbers(folder: Path) -> dict:
    """Return privacy.json; ValueError for a name that occurs twice, which programs read differently."""

    def once(pairs):
        table = dict(pairs)
        if len(table) < len(pairs):
            raise ValueError("a name occurs twice in privacy.json")
        return table

    return json.loads((folder / "privacy.json").read_text(encoding="utf-8"), object_pairs_hook=once)


def _first_difference(stated, derived):
    stated, derived = stated.splitlines(), derived.splitlines()
    pairs = [*zip(stated, derived, strict=False), *((line, "nothing") for line in stated[len(derived) :])]
    for one, other in [*pairs, ("nothing", "more lines")]:
        if one != other:
            start = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), 0)
            start = max(0, start - 30)
            return f"'{one[start : start + 60]}' instead of '{other[start : start + 60]}'"
    return "it has other line ends"


def _find_odd_sizes(folder, numbers):
    pairs, size = numbers["data"]["pairs"], numbers["data"]["size"]
    with zipfile.ZipFile(folder / "data" / "pairs.npz") as arrays:
        shapes = {name: _read_shape(arrays.read(name)) for name in arrays.namelist()}
    wanted = dict.fromkeys(("image.npy", "label.npy"), (pairs, size, size))
    found = [] if shapes == wanted else [f"data/pairs.npz holds {shapes}, not {wanted}"]
    for path in sorted(folder.rglob("*.png")):
        if find_odd_png(path.read_bytes(), size):
            name = path.relative_to(folder).as_posix()
            return [*found, f"{name} is no picture of {size} x {size} pixels and nothing else"]
    return found


def _read_shape(content):
    """Return the shape in the header of a .npy file (format 1.0); None where there is none."""
    length = int.from_bytes(content[8:10], "little")
    found = re.search(rb"'shape': (\([\d, ]*\))", content[10 : 10 + length])
    return ast.literal_eval(found[1].decode()) if found else None
