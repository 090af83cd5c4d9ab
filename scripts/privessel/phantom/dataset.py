"""The simulated cohort on disk: a BIDS dataset with vessel and brain masks as derivatives."""

import json
import re
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np

from privessel.cohort.nifti import write_image
from privessel.errors import CohortError
from privessel.files.atomic import atomic_path
from privessel.phantom.description import (
    COLUMNS,
    describe_dataset,
    describe_in_words,
    mask_sidecar,
    sidecar,
)
from privessel.phantom.simulation import Phantom

MASKS = ("vessels", "brain")


def write_patient(
    root: Path, patient: str, phantom: Phantom, *, seed: int, one_sequence: bool = True
) -> None:
    """Write image with sidecar, vessel mask and brain mask of one patient; equal phantoms give equal bytes.

    `patient` is the id without `sub-`; `one_sequence`: see `sidecar`. Raises CohortError for an id that BIDS
    does not allow.
    """
    _check_id(patient)
    stem = f"sub-{patient}_acq-TOF"
    folder = f"sub-{patient}/anat"
    write_nifti(root / folder / f"{stem}_angio.nii.gz", phantom.image, phantom.affine)
    write_json(root / folder / f"{stem}_angio.json", sidecar(phantom, seed=seed, one_sequence=one_sequence))
    for name, mask in zip(MASKS, (phantom.vessels, phantom.brain), strict=True):
        file = root / "derivatives" / name / folder / f"{stem}_desc-{name}_mask.nii.gz"
        write_nifti(file, mask.astype(np.uint8), phantom.affine)


def write_table(root: Path, splits: dict[str, str], *, name: str) -> None:
    """Write participants.tsv (participant_id, split), and READMEs, descriptions and sidecars of a cohort.

    `splits` maps ids without `sub-` to train, validation or test.
    """
    for patient in splits:
        _check_id(patient)
    rows = ["participant_id\tsplit", *(f"sub-{patient}\t{split}" for patient, split in splits.items())]
    with atomic_path(root / "participants.tsv") as partial:
        partial.write_text("\n".join(rows) + "\n", encoding="utf-8")
    write_json(root / "participants.json", COLUMNS)
    for mask in (None, *MASKS):
        folder = root if mask is None else root / "derivatives" / mask
        write_json(folder / "dataset_description.json", describe_dataset(name, mask))
        with atomic_path(folder / "README") as partial:
            partial.write_text(describe_in_words(name, mask), encoding="utf-8")
    for mask in MASKS:
        # In the root of its dataset, a sidecar holds for the masks of all patients.
        file = root / "derivatives" / mask / f"acq-TOF_desc-{mask}_mask.json"
        write_json(file, mask_sidecar(mask))


def write_nifti(path: Path, volume: np.ndarray, affine: np.ndarray) -> None:
    """Write a volume in scanner RAS mm; equal volumes give equal bytes."""
    image = nib.Nifti1Image(volume, affine)
    image.header.set_xyzt_units("mm")
    image.set_qform(affine, code=1)
    image.set_sform(affine, code=1)
    write_image(path, image, level=2)


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON object, whole or not at all."""
    with atomic_path(path) as partial:
        partial.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _check_id(patient: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9]+", patient):
        raise CohortError(
            f"phantom patient {patient!r}: BIDS allows only letters and digits in a patient's id. Remedy: "
            "give the phantom cohort another name in the config"
        )
