"""Published tools that remove or replace faces, run on a head in the common cube, if they are installed.

They are methods of their own beside the few lines of `removal.py`, so that every table and figure says which
of the two made a head. niimath registers a template and takes its face off, or puts it on; it ships none, so
the template is the average head of public people, and its face is where `removal.face_region` has it.
quickshear 1.2.0 mixes up two axes of volumes that are no cubes, and is given nothing but cubes here.
"""

import importlib
import os
import subprocess
import tempfile
import warnings
from pathlib import Path

import nibabel as nib
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

from privessel.cohort.nifti import read_stored
from privessel.deid.frame import Framed, average_brain, upright_cube
from privessel.deid.removal import face_region
from privessel.errors import CohortError
from privessel.study.head_tools import METHOD_TOOLS, check_installed

_BUFFER_MM = 10.0  # between quickshear's plane and the brain: its own default, for voxels of 1 mm
_KEPT_MM = 15.0  # of the template, around its brain
_FINEST = 64  # voxels a side; niimath's registration fails on fewer
_LEAST = 1e-3  # of a replaced voxel, because 0 means "keep" to niimath


def apply_tool(method: str, scan: Framed, average: NDArray) -> NDArray:
    """Return the head (S, S, S) in [0, 1] that a tool makes of a scan; `average`: of public people.

    method: a key of METHOD_TOOLS. Raises ConfigError where the tool is not installed, and CohortError where
    it fails.
    """
    check_installed([method])
    if method == "quickshear-tool":
        return _shear(scan)
    return _run_niimath(method, scan, average)


def is_tool(method: str) -> bool:
    """Whether a method is a tool's."""
    return method in METHOD_TOOLS


def _shear(scan: Framed) -> NDArray:
    images = [nib.Nifti1Image(volume.astype(np.float32), np.eye(4)) for volume in (scan.image, scan.brain)]
    program = importlib.import_module("quickshear")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of NumPy, of a function that quickshear calls
        sheared = program.quickshear(*images, buff=_BUFFER_MM / scan.place.voxel)
    return np.asarray(sheared.dataobj)


def _run_niimath(method: str, scan: Framed, average: NDArray) -> NDArray:
    """Return what `niimath -deface` or `-reface` makes of a scan, given the average head as template."""
    brain = average_brain(scan.place)
    near = distance_transform_edt(~brain) * scan.place.voxel < _KEPT_MM
    face = face_region(brain) & ~near
    if method == "niimath-deface":
        volumes = {"head": scan.image, "template": average, "keep": ~face}
    else:
        volumes = {
            "head": scan.image,
            "template": average,
            "shell": np.where(face, np.maximum(average, _LEAST), 0),
            "weight": gaussian_filter((~face).astype(np.float32), 1.0),
        }
    side = scan.place.side
    times = -(-_FINEST // side)
    with tempfile.TemporaryDirectory() as folder:
        paths = {name: Path(folder, f"{name}.nii") for name in (*volumes, "made")}
        for name, volume in volumes.items():
            larger = np.asarray(volume, np.float32)
            for axis in range(3):
                larger = larger.repeat(times, axis)
            affine = upright_cube(side * times, scan.place.voxel * side)
            nib.Nifti1Image(larger, affine).to_filename(paths[name])
        head, *given = (str(paths[name]) for name in volumes)
        program = importlib.import_module("niimath").bin
        command = [program, head, method.replace("niimath", ""), *given, str(paths["made"])]
        settings = os.environ | {"OMP_NUM_THREADS": "1", "FSLOUTPUTTYPE": "NIFTI"}
        done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
        if done.returncode or not paths["made"].exists():
            raise CohortError(
                f"{method} failed: {(done.stderr or done.stdout).strip()[-300:]}. Remedy: leave it out of "
                "deid.methods"
            )
        made = read_stored(paths["made"]).data.astype(np.float32)
    blocks = made.reshape(side, times, side, times, side, times)
    return np.clip(blocks.mean((1, 3, 5)), 0, 1)
